"""Lists the datasets that are known, and which of them are here: `python -m datasets.list`."""

from dataclasses import dataclass
from pathlib import Path

from datasets.known import KNOWN
from datasets.opening import known_datasets
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
    print(f"In {top}:")
    for name in ours:
        print(f"  {name:16} ours")
    for name, found in there.items():
        if found:
            print(f"  {name:16} {KNOWN[name].title}, {found[0]}" + (f", {found[1].version}" * bool(found[1].version)))
    if not ours and not any(there.values()):
        print("  none")
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


if __name__ == "__main__":
    command(Settings, main)
