"""Pictures for a trained model to look at: those of a dataset, or of any folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets.manifest import Crops
from datasets.opening import open_dataset
from datasets.splits import SPLITS


class Files:
    """Pictures that are files, in this order."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes:
        """Encoded bytes of picture `index`."""
        return self.paths[index].read_bytes()

    def where(self, index: int) -> str:
        """Its path, for messages."""
        return str(self.paths[index])


def pictures_of(data: str, data_root: Path | None) -> list[tuple[Crops, dict[str, Any]]]:
    """The crops of a dataset or a folder, and the columns that are known of them, split by split.

    Raises:
        UserError: neither a dataset nor a folder with pictures.
    """
    dataset = open_dataset(data, data_root)
    parts: list[tuple[Crops, dict[str, Any]]] = []
    for split in SPLITS:
        if (dataset.crops.column("split") == split).any():
            crops = dataset.split(split)
            known = {"split": [split] * len(crops), "pid": crops.pid, "camid": crops.camid}
            is_known = dataset.ours or (dataset.crops.pid >= 0).any()
            parts.append((crops, {"picture": crops.column("key"), **(known if is_known else {})}))
    return parts
