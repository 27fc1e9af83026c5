"""Lists the datasets that are known, and which of them are here: `python -m datasets.list`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets.known import KNOWN
from datasets.opening import known_datasets, open_dataset
from datasets.pictures import DatasetError
from datasets.splits import SPLITS
from datasets.trees import find_known
from opengspr.command import command, data_root


@dataclass(frozen=True)
class Settings:
    """Lists the datasets that are known: which are here, where to put the others, on what terms they are given."""

    data_root: Path | None = None
    """Where datasets lie; by default $OPENGSPR_DATA, else ./data."""


def main(settings: Settings) -> None:
    top = data_root(settings.data_root)
    there = {name: find_known(name, top) for name in KNOWN}
    ours = [name for name in known_datasets(top) if name not in KNOWN or not there[name]]
    here = [*ours, *(name for name in KNOWN if there[name])]
    print(f"In {top}:" + ("" if here else " none"))
    for line in compared(here, top) if here else ():
        print(f"  {line}")
    print("\nOthers' that can be read, published figures (pictures / people; of mars, sequences):")
    rows: list[tuple[str, ...]] = [("", "cameras", *SPLITS)]
    for name, known in KNOWN.items():
        figures = (known.counts.get(split) for split in SPLITS)
        rows.append((name, str(known.cameras), *(f"{one.pictures:,} / {one.ids:,}" if one else "" for one in figures)))
    for name, *cells in rows:
        print(f"  {name:16}{cells[0]:>8}" + "".join(f"{cell:>18}" for cell in cells[1:]))
    print("\nHow to bring one: put its folder there, under our name or its usual one.")
    for name, known in KNOWN.items():
        print(f"  {name:16} {', '.join(known.folders)}")
        print(f"  {'':16} withdrawn {known.withdrawn}" if known.withdrawn else f"  {'':16} terms: {known.terms}")
        if not known.withdrawn:
            print(f"  {'':16} ask: {known.source}")


def compared(names: Iterable[str], top: Path) -> Iterator[str]:
    """Lines that compare datasets as Table I of Wang et al. (SMCR) does: boxes, identities, cameras, view labels."""
    yield f"{'':20}{'boxes':>10}{'people':>8}{'cameras':>9}  view labels"
    for name in names:
        try:
            data = open_dataset(name, top)
            counts = data.info["counts"]
            views = "yes" if (data.crops.column("azimuth_deg") >= 0).any() else "no"
        except DatasetError as error:
            yield f"{name:20} cannot be read: {error}"
            continue
        kind = "ours" if data.ours else str(data.root)
        version = "" if data.ours else data.info["provenance"]["version"]
        about = f"{kind}, {version}" if version else kind
        yield f"{name:20}{counts['crops']:>10,}{counts['ids']:>8,}{counts['cameras']:>9}  {views:11}  {about}"


if __name__ == "__main__":
    command(Settings, main)
