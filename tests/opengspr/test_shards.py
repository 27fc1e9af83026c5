import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opengspr.shards import ShardError, read_shard, write_shard

CAPS = {"jpg": 1000, "json": 100}
MEMBERS = [("a.jpg", b"x" * 700), ("a.json", b"{}"), ("b.jpg", b""), ("b.json", b"[]")]


def read(path: Path) -> list[tuple[str, bytes]]:
    return [(member.name, member.data) for member in read_shard(path, CAPS)]


def test_what_is_written_is_read_and_found_at_its_offset(tmp_path: Path) -> None:
    offsets = write_shard(tmp_path / "s.tar", MEMBERS)
    assert read(tmp_path / "s.tar") == MEMBERS
    whole = (tmp_path / "s.tar").read_bytes()
    assert [whole[at : at + len(data)] for at, (_, data) in zip(offsets, MEMBERS)] == [data for _, data in MEMBERS]
    with tarfile.open(tmp_path / "s.tar") as tar:
        assert tar.getnames() == [name for name, _ in MEMBERS]
    write_shard(tmp_path / "t.tar", MEMBERS)
    assert (tmp_path / "t.tar").read_bytes() == whole


def link(info: tarfile.TarInfo) -> None:
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0


def hard_link(info: tarfile.TarInfo) -> None:
    info.type, info.linkname, info.size = tarfile.LNKTYPE, "b.jpg", 0


def device(info: tarfile.TarInfo) -> None:
    info.type, info.size = tarfile.CHRTYPE, 0


def folder(info: tarfile.TarInfo) -> None:
    info.type, info.size = tarfile.DIRTYPE, 0


def renamed(name: str) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: setattr(info, "name", name)


BAD_NAMES = ["../a.jpg", "/tmp/a.jpg", "a/b.jpg", "a.exe", "a", ".jpg", "a b.jpg", "ü.jpg", "x" * 120 + ".jpg"]


@pytest.mark.parametrize("change", [link, hard_link, device, folder, *map(renamed, BAD_NAMES)])
def test_odd_members_are_refused(tmp_path: Path, change: Callable[[tarfile.TarInfo], None]) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        info = tarfile.TarInfo("a.jpg")
        info.size = 3
        change(info)
        tar.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(ShardError, match=r"s\.tar: member"):
        read(tmp_path / "s.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["s.tar"]


def test_size_and_count_are_capped(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.tar", [("a.json", b"x" * 101)])
    with pytest.raises(ShardError, match="101 bytes: wanted at most 100"):
        read(tmp_path / "s.tar")
    write_shard(tmp_path / "s.tar", MEMBERS)
    with pytest.raises(ShardError, match="more than 3 members"):
        list(read_shard(tmp_path / "s.tar", CAPS, most=3))


def test_a_compressed_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(ShardError, match="not a whole tar"):
        read(tmp_path / "s.tar")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damage_gives_our_error_or_the_members(tmp_path: Path, data: st.DataObject) -> None:
    write_shard(tmp_path / "s.tar", MEMBERS)
    whole = bytearray((tmp_path / "s.tar").read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    (tmp_path / "s.tar").write_bytes(whole[:cut])
    try:
        found = read(tmp_path / "s.tar")
    except ShardError:
        return
    assert [(name, len(bytes_)) for name, bytes_ in found] == [(name, len(bytes_)) for name, bytes_ in MEMBERS]
