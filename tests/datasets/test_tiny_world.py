"""The committed small dataset of the tests: whole, small, and what the recorded command makes of the demo's worlds."""

import re
from pathlib import Path

import numpy as np
import pytest

from datasets import verify
from datasets.opening import open_dataset

ROOT = Path(__file__).parent.parent.parent
TINY_WORLD = ROOT / "tests" / "data" / "tiny_world"


def test_it_is_small_and_whole() -> None:
    worlds = [open_dataset(str(TINY_WORLD / name)) for name in ("src", "tgt")]
    for world in worlds:
        verify.main(verify.Settings(str(world.root)))
    assert sum(len(world.crops) for world in worlds) == 595
    assert sum(path.stat().st_size for path in TINY_WORLD.rglob("*") if path.is_file()) <= 2.5e6
    assert {world.crops.image(i).shape for world in worlds for i in (0, 99, 150)} == {(128, 64, 3)}
    pids, cameras = (world.crops.pid for world in worlds), (world.crops.camid for world in worlds)
    assert [len(np.unique(pid)) for pid in pids] == [20, 56] and all(len(np.unique(c)) == 4 for c in cameras)


@pytest.mark.parametrize("name", ["src", "tgt"])
def test_it_comes_from_the_command_in_the_makefile(name: str) -> None:
    made = open_dataset(str(TINY_WORLD / name)).info["provenance"]
    lines = re.findall(r"datasets\.cut (\S+) (.*) --out tests/data/tiny_world/(\w+)", (ROOT / "Makefile").read_text())
    ((source, flags),) = [(source, flags) for source, flags, out in lines if out == name]
    cut = made["cut"]
    assert made["source"]["name"] == source
    assert flags == f"--ids {cut['ids']} --per-id {cut['per_id']} --size {cut['size']} --quality {cut['quality']}"
