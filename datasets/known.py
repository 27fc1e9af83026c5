"""What others' datasets look like, how large they are published to be, and on what terms they are given out.

Adding one is adding a record. `trees` reads them; `python -m datasets.list` shows this table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from datasets.layouts import Flat, Folders, Layout, Lists, Tracks

NOTHING: Mapping[str, "Count"] = MappingProxyType({})
MARKET = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


def _rule(text: str) -> re.Pattern[str]:
    """A rule in which # stands for a number."""
    return re.compile(text.replace("#", "[0-9]{1,9}"))


# 0002_c1s1_000451_03  -1_c3s2_000042_00  0001_c2_f0046182  0003_c1_22  0001_c12s1_05  1040_c13_0272
MARKET_NAME = _rule("(?P<pid>-1|#)_c(?P<camera>#)(?:s#)?(?:_f?(?P<frame>#))?(?:_#)?")
# 0000_000_01_0303morning_0008_0_ex
MSMT_NAME = _rule("#_#_(?P<camera>#)_#(?:morning|noon|afternoon)_(?P<frame>#)_#(?:_ex)?")
# 000000_s00_c01_f001632; the first RandPerson had camera and scene the other way round
SCENE_NAME = _rule("(?P<pid>#)_s(?P<scene>#)_c(?P<camera>#)_f(?P<frame>#)")
CAMERA_FIRST_NAME = _rule("(?P<pid>#)_c(?P<camera>#)_s(?P<scene>#)_f(?P<frame>#)")
# unreal_v3.1/images/333_c001_78: the same number of another model or scene is somebody else, or another camera
UNREAL_PATH = _rule("(?:.*/)?unreal_v(?P<scene>#)[.](?P<model>#)/images/(?P<pid>#)_c(?P<camera>#)_(?P<frame>#)")
# 0001C1T0001F001  00-1C2T0003F0010
MARS_NAME = _rule("(?P<pid>[0-9]{4}|00-1)C(?P<camera>[0-9])T#F(?P<frame>#)")
MSMT_LISTS = {
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}


class Count(NamedTuple):
    """How many pictures (sequences, where there are such) and identities there are."""

    pictures: int
    ids: int


@dataclass(frozen=True)
class Known:
    """A dataset that others made.

    Attributes:
        title: as papers call it.
        folders: names of its folder, by which it is found below the data root and recognised.
        layouts: the forms that it comes in; the first that fits is read.
        counts: published, by split or `all`; without what is junk.
        cameras: published.
        terms: on which its authors give it.
        source: whom to ask for it.
        withdrawn: what happened, where its authors took it back.
    """

    title: str
    folders: tuple[str, ...]
    layouts: tuple[Layout, ...]
    terms: str
    source: str
    counts: Mapping[str, Count] = field(default_factory=lambda: NOTHING)
    cameras: int | None = None
    withdrawn: str = ""


def _cuhk03(boxes: str, train: int, gallery: int) -> Known:
    names = tuple(f"{top}/{boxes}" for top in ("cuhk03-np", "cuhk03np", "cuhk03"))
    return Known(
        f"CUHK03, {boxes} boxes, new protocol",
        (*names, f"cuhk03_np_{boxes}"),
        (Folders(MARKET, MARKET_NAME),),
        "for academic research; the students' privacy is to be respected",
        "Multimedia Laboratory, CUHK (the boxes); zhunzhong07/person-re-ranking (the new protocol)",
        {"train": Count(train, 767), "query": Count(1400, 700), "gallery": Count(gallery, 700)},
        cameras=2,
    )


KNOWN: Mapping[str, Known] = {
    "market": Known(
        "Market-1501",
        ("Market-1501-v15.09.15", "market1501", "Market-1501"),
        (Folders(MARKET, MARKET_NAME),),
        "research only; not to be passed on, not for commercial use",
        "Liang Zheng's page of Market-1501",
        {"train": Count(12936, 751), "query": Count(3368, 750), "gallery": Count(15913, 751)},
        cameras=6,
    ),
    "duke": Known(
        "DukeMTMC-reID",
        ("DukeMTMC-reID", "dukemtmc-reid", "dukemtmcreid"),
        (Folders(MARKET, MARKET_NAME),),
        "none any more",
        "nobody",
        {"train": Count(16522, 702), "query": Count(2228, 702), "gallery": Count(17661, 1110)},
        cameras=8,
        withdrawn="by Duke University in 2019, since people were filmed without their consent; prefer other data",
    ),
    "msmt17": Known(
        "MSMT17",
        ("MSMT17_V1", "MSMT17_V2", "MSMT17"),
        (
            Lists("V1", ("train", "test"), MSMT_LISTS, MSMT_NAME),
            Lists("V2, faces masked", ("mask_train_v2", "mask_test_v2"), MSMT_LISTS, MSMT_NAME),
            Folders(MARKET, MARKET_NAME, overlapping=True),
        ),
        "research only, by agreement with the authors",
        "Longhui Wei and Shiliang Zhang, Peking University",
        {"train": Count(32621, 1041), "query": Count(11659, 3060), "gallery": Count(82161, 3060)},
        cameras=15,
    ),
    "cuhk03-labelled": _cuhk03("labeled", 7368, 5328),
    "cuhk03-detected": _cuhk03("detected", 7365, 5332),
    "personx": Known(
        "PersonX, six backgrounds",
        ("PersonX", "personx/subset1", "subset1"),
        (Folders(MARKET, MARKET_NAME, renumbered=True),),
        "MIT licence (of its repository)",
        "sxzrt/Instructions-of-the-PersonX-dataset",
        {"train": Count(9840, 410), "query": Count(5136, 856), "gallery": Count(30816, 856)},
        cameras=6,
    ),
    "randperson": Known(
        "RandPerson, subset",
        ("randperson_subset", "RandPerson", "randperson/subset"),
        (Flat(SCENE_NAME), Flat(CAMERA_FIRST_NAME)),
        "Apache-2.0 (of its repository)",
        "VideoObjectSearch/RandPerson",
        {"train": Count(132145, 8000)},
        cameras=19,
    ),
    "unrealperson": Known(
        "UnrealPerson",
        ("UnrealPerson", "unreal"),
        (Flat(UNREAL_PATH, whole_path=True),),
        "Apache-2.0 (of its repository)",
        "FlyHighest/UnrealPerson",
        cameras=34,
    ),
    "clonedperson": Known(
        "ClonedPerson",
        ("ClonedPerson",),
        (Folders({"train": "train", "query": "test/query", "gallery": "test/gallery"}, SCENE_NAME),),
        "none stated",
        "Yanan-Wang-cs/ClonedPerson",
        {"all": Count(887766, 5621)},
        cameras=24,
    ),
    "mars": Known(
        "MARS (video)",
        ("MARS",),
        (Tracks(MARS_NAME),),
        "research only",
        "Liang Zheng's page of MARS; its folder info/ from liangzheng06/MARS-evaluation",
        {"train": Count(8298, 625), "query": Count(1980, 626), "gallery": Count(9330, 621)},
        cameras=6,
    ),
}
