"""The forms in which others' datasets lie on a disk: which pictures there are, and in which split each is.

A layout says whether a folder has its form, and lists its pictures; what a picture's name means is the layout's `rule`,
with the groups pid, camera and, where there are such, model, scene, frame. `trees` makes a dataset of it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from stat import S_ISLNK
from typing import NamedTuple, Protocol

import numpy as np

from datasets.pictures import DatasetError

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
MOST_LIST_BYTES = 1 << 28


class Entry(NamedTuple):
    """A picture. Attributes: path, below the dataset's folder; size in bytes; pid, where a list says it."""

    split: str
    path: str
    size: int
    pid: int | None = None
    tracklet: int = -1


class Layout(Protocol):
    """What `trees` asks of a layout.

    Attributes:
        rule: of a picture's name without its ending, or, if `whole_path`, of its path.
        overlapping: identities of train and of the others are numbered apart, so the same number is two people.
        renumbered: cameras are counted in the order of their numbers, whatever these are.
        version: which of several forms this is.
    """

    @property
    def rule(self) -> re.Pattern[str]: ...
    @property
    def whole_path(self) -> bool: ...
    @property
    def overlapping(self) -> bool: ...
    @property
    def renumbered(self) -> bool: ...
    @property
    def version(self) -> str: ...

    def fits(self, root: Path) -> bool:
        """Whether the folder has this form."""

    def entries(self, root: Path) -> Iterator[Entry]:
        """Its pictures. Raises DatasetError where a list of them is not one."""


@dataclass(frozen=True)
class Folders:
    """A folder, with subfolders or none, for each split."""

    splits: Mapping[str, str]
    rule: re.Pattern[str]
    overlapping: bool = False
    renumbered: bool = False
    whole_path: bool = False
    version: str = ""

    def fits(self, root: Path) -> bool:
        return all((root / folder).is_dir() for folder in self.splits.values())

    def entries(self, root: Path) -> Iterator[Entry]:
        for split, folder in self.splits.items():
            for path, size in pictures_below(root, folder):
                yield Entry(split, path, size)


@dataclass(frozen=True)
class Flat:
    """All pictures in one folder or its subfolders, all of them to learn from."""

    rule: re.Pattern[str]
    whole_path: bool = False
    overlapping: bool = False
    renumbered: bool = False
    version: str = ""

    def fits(self, root: Path) -> bool:
        first = next(pictures_below(root), None)
        return first is not None and rule_of(self, root, first[0]) is not None

    def entries(self, root: Path) -> Iterator[Entry]:
        for path, size in pictures_below(root):
            yield Entry("train", path, size)


@dataclass(frozen=True)
class Lists:
    """A text file, or several, for each split, with a line `PATH PID` for each picture.

    Attributes:
        folders: where the paths of train, and those of query and gallery, begin.
        lists: the files of each split; who is in two of them is there once.
    """

    version: str
    folders: tuple[str, str]
    lists: Mapping[str, tuple[str, ...]]
    rule: re.Pattern[str]
    whole_path: bool = False
    overlapping: bool = True
    renumbered: bool = False

    def fits(self, root: Path) -> bool:
        files = [name for names in self.lists.values() for name in names]
        return all((root / name).is_file() for name in files) and all((root / name).is_dir() for name in self.folders)

    def entries(self, root: Path) -> Iterator[Entry]:
        for split, names in self.lists.items():
            folder, seen = self.folders[split != "train"], set()
            for name in names:
                for number, line in enumerate(lines_of(root / name), 1):
                    path, _, pid = line.rpartition(" ")
                    if not is_below(path) or not re.fullmatch(r"[0-9]{1,9}", pid):
                        raise DatasetError(f"{root / name}: line {number}: {line!r:.100}, wanted a path and a pid")
                    if path not in seen:
                        seen.add(path)
                        yield Entry(split, f"{folder}/{path}", size_of(root, f"{folder}/{path}", name), int(pid))


@dataclass(frozen=True)
class Tracks:
    """MARS: lists of names, and matrices (T, 4) of the tracklets in them: first and last line, pid, camera."""

    rule: re.Pattern[str]
    whole_path: bool = False
    overlapping: bool = False
    renumbered: bool = False
    version: str = ""

    def fits(self, root: Path) -> bool:
        return (root / "info" / "query_IDX.mat").is_file() and (root / "bbox_train").is_dir()

    def entries(self, root: Path) -> Iterator[Entry]:
        info = root / "info"
        asked = {int(k) for k in _matrix(info / "query_IDX.mat", "query_IDX").ravel()}
        tracklet = -1
        for part in ("train", "test"):
            file, variable = f"tracks_{part}_info.mat", f"track_{part}_info"
            names = lines_of(info / f"{part}_name.txt")
            tracks = _matrix(info / file, variable)
            if tracks.ndim != 2 or tracks.shape[1] != 4:
                raise DatasetError(f"{info / file}: {variable} is {tracks.shape}, wanted (tracklets, 4)")
            for row, (first, last, pid, _) in enumerate(tracks.tolist(), 1):
                tracklet += 1
                split = "train" if part == "train" else "query" if row in asked else "gallery"
                if not 1 <= first <= last <= len(names):
                    raise DatasetError(f"{info / file}: tracklet {row}: lines {first} to {last} of {len(names)}")
                for name in names[first - 1 : last]:
                    path = f"bbox_{part}/{name[:4]}/{name}"
                    if not is_below(path) or "/" in name:
                        raise DatasetError(f"{info / f'{part}_name.txt'}: {name!r:.100}, wanted a picture's name")
                    yield Entry(split, path, size_of(root, path, f"info/{part}_name.txt"), int(pid), tracklet)


def rule_of(layout: Layout, root: Path, path: str) -> re.Match[str] | None:
    """What a picture's name says; the folder's own name counts where the whole path does."""
    stem = str(PurePosixPath(f"{root.absolute().as_posix()}/{path}" if layout.whole_path else PurePosixPath(path).name))
    while stem.lower().endswith(ENDINGS):  # some pictures of Market-1501 end in .jpg.jpg
        stem = stem.rpartition(".")[0]
    return layout.rule.fullmatch(stem)


def pictures_below(root: Path, folder: str = "") -> Iterator[tuple[str, int]]:
    """Paths below `root` and sizes in bytes of the pictures in a folder and its subfolders, in order."""
    try:
        entries = sorted(os.scandir(root / folder), key=lambda one: one.name)
    except OSError as error:
        raise DatasetError(f"{root / folder}: cannot be read: {error.strerror}") from error
    for one in entries:
        path = f"{folder}/{one.name}" if folder else one.name
        if one.name.startswith((".", "__MACOSX")):
            continue
        if one.is_dir():
            yield from pictures_below(root, path)
        elif one.name.lower().endswith(ENDINGS):
            yield path, one.stat().st_size


def lines_of(path: Path) -> list[str]:
    """The lines of a list that are not empty. Raises DatasetError where it is no text or too large to be a list."""
    try:
        if path.stat().st_size > MOST_LIST_BYTES:
            raise DatasetError(f"{path}: {path.stat().st_size} bytes, too large for a list")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as a list: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_below(path: str) -> bool:
    """Whether a path from a list stays in its folder."""
    pure = PurePosixPath(path)
    return bool(path) and "\0" not in path and not pure.is_absolute() and ".." not in pure.parts


def size_of(root: Path, path: str, list_: str) -> int:
    """Of a file below the root that a list names. Raises DatasetError where it is not there, or a link leads out."""
    try:
        found = (root / path).lstat()
        if S_ISLNK(found.st_mode) or not _is_inside(root, str(PurePosixPath(path).parent)):
            inside = (root / path).resolve().is_relative_to(root.resolve())
            if not inside:
                raise DatasetError(f"{root / path}: {list_} names it, and a link leads out of the dataset's folder")
            found = (root / path).stat()
    except (OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{root / path}: missing; {list_} names it") from error
    return found.st_size


@lru_cache(maxsize=1 << 15)
def _is_inside(root: Path, folder: str) -> bool:
    return (root / folder).resolve().is_relative_to(root.resolve())


def _matrix(path: Path, name: str) -> np.ndarray:
    import scipy.io  # only MARS needs it

    try:
        return np.asarray(scipy.io.loadmat(path, variable_names=[name])[name]).astype(np.int64)
    except Exception as error:  # on damaged bytes the reader raises nearly anything
        raise DatasetError(f"{path}: cannot be read as a matrix {name}: {' '.join(str(error).split())}") from error
