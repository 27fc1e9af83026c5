"""Opens a dataset, ours or somebody else's, by its name or its folder: `open_dataset("market").split("train")`."""

import shlex
from pathlib import Path

from datasets.known import KNOWN
from datasets.manifest import Dataset, read_own
from datasets.pictures import DatasetError
from datasets.trees import find_known, read_plain, read_tree, recognised
from opengspr.command import data_root as resolve_data_root


def open_dataset(name_or_path: str | Path, data_root: str | Path | None = None) -> Dataset:
    """Opens a dataset by its name below the data root, or by a path (anything with a slash in it).

    Names of others' datasets are those of `known.KNOWN`, whatever their folders are called. Any other folder with
    pictures in it is a dataset of crops that nobody labelled.

    Raises:
        DatasetError: unknown, not labelled yet, not a dataset, unfinished, or of a newer schema.
    """
    name, top = str(name_or_path), resolve_data_root(data_root)
    root = Path(name) if "/" in name or name.startswith(".") else top / name
    if (root / "dataset.json").is_file() or (root / "shards").is_dir():
        return read_own(root)
    if name in KNOWN and (found := find_known(name, top)):
        return read_tree(name, *found)
    if root.is_dir():
        if (root / "capture.json").exists():
            raise DatasetError(
                f"{root}: a capture, not a dataset; label it: python -m labeler.label {shlex.quote(str(root))}"
            )
        if form := recognised(root):
            return read_tree(form[0], root, form[1])
        if plain := read_plain(root):
            return plain
        raise DatasetError(f"{root}: not a dataset: neither ours nor in a layout that datasets.list names, no picture")
    if root.exists():
        raise DatasetError(f"{root}: a file, wanted a dataset's folder")
    capture = top / "captures" / root.name
    if (capture / "capture.json").exists():
        label = ["python", "-m", "labeler.label", str(capture), *(["--data-root", str(top)] if data_root else [])]
        raise DatasetError(f"dataset {name!r} is rendered but not labelled: {shlex.join(label)}")
    known = ", ".join(known_datasets(top)) or "none"
    here = f"; for the folder here write ./{name}" if Path(name).is_dir() else ""
    raise DatasetError(f"no dataset {name!r}: expected at {root}; known in {top.absolute()}: {known}{here}")


def open_own(name_or_path: str | Path, data_root: str | Path | None = None) -> Dataset:
    """As `open_dataset`, for what is done to our own data only.

    Raises:
        DatasetError: also where it is somebody else's.
    """
    dataset = open_dataset(name_or_path, data_root)
    if not dataset.ours:
        raise DatasetError(f"{dataset.name}: somebody else's dataset; wanted one that labeler.label made")
    return dataset


def known_datasets(data_root: Path) -> list[str]:
    """Names of the whole datasets in the data root."""
    ours = [path.parent.name for path in data_root.glob("*/SHA256SUMS")]
    return sorted({*ours, *(name for name in KNOWN if find_known(name, data_root))})
