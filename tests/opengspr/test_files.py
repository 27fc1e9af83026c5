import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from opengspr.command import UserError
from opengspr.files import holders, one_writer, output_folder, shared_writer, whole_file, write_whole

HOLD = "import sys, opengspr.files as f\nwith f.one_writer(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
DIE = (
    "import os, signal, sys, opengspr.files as f\n"
    "with f.whole_file(sys.argv[1]) as file: file.write(b'new'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "a") as file:
        file.write(b"half")
        raise RuntimeError
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_a_killed_write_leaves_the_old_file_and_the_next_writer_clears_up(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"old")
    assert subprocess.run([sys.executable, "-c", DIE, str(tmp_path / "a")]).returncode == -signal.SIGKILL
    assert (tmp_path / "a").read_bytes() == b"old" and len(names(tmp_path)) == 2
    with one_writer(tmp_path):
        assert names(tmp_path) == [".lock", "a"]
    assert names(tmp_path) == ["a"]


def test_a_full_disk_is_said_with_path_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a", b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"/a: the disk is full: needs 12345 bytes"):
        write_whole(tmp_path / "a", b"x" * 12345)
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_output_folder_refuses_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file stands in the way"):
        output_folder(tmp_path / "file")
    with pytest.raises(UserError, match="file stands in the way"):
        output_folder(tmp_path / "file" / "below")
    with pytest.raises(UserError, match="parent is missing"):
        output_folder(tmp_path / "no" / "such")
    assert output_folder(tmp_path / "no" / "such", parents=True).is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, whom no mode stops
    with pytest.raises(UserError, match="read-only"):
        output_folder(tmp_path)


def test_a_second_writer_is_refused_and_a_dead_one_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"pid {holder.pid} on host {socket.gethostname()}"), one_writer(tmp_path):
            pass
        holder.kill()
    assert names(tmp_path) == [".lock"]
    with one_writer(tmp_path):
        assert f"stale lock, its writer is gone: pid {holder.pid}" in capsys.readouterr().err
    assert names(tmp_path) == []


SHARE = (
    "import sys, opengspr.files as f\n"
    "with f.shared_writer(sys.argv[1], sys.argv[2]): print('held', flush=True); sys.stdin.read()"
)


def held(code: str, *args: object) -> subprocess.Popen:
    """A process that holds a folder, or a share of it, until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_shares_are_held_side_by_side_but_not_twice_nor_beside_the_whole(tmp_path: Path) -> None:
    first = held(SHARE, tmp_path, "0of2")
    try:
        with shared_writer(tmp_path, "1of2"):
            assert holders(tmp_path) == [
                f"share 0of2: pid {first.pid} on host {socket.gethostname()}",
                f"share 1of2: pid {os.getpid()} on host {socket.gethostname()}",
            ]
            with pytest.raises(UserError, match=f"pid {first.pid} on"), shared_writer(tmp_path, "0of2"):
                pass
            with pytest.raises(UserError, match="writes there now"), one_writer(tmp_path):
                pass
        with pytest.raises(UserError, match="writes there now"), one_writer(tmp_path):
            pass  # one share is still held
    finally:
        first.communicate("")
    assert not [*tmp_path.iterdir()] and not holders(tmp_path)
    with one_writer(tmp_path):
        assert holders(tmp_path) == [f"pid {os.getpid()} on host {socket.gethostname()}"]
        with pytest.raises(UserError, match="writes there now"), shared_writer(tmp_path, "0of2"):
            pass


def test_a_share_whose_holder_was_killed_is_taken(tmp_path: Path) -> None:
    first = held(SHARE, tmp_path, "0of2")
    first.kill()
    first.wait()
    assert not holders(tmp_path)
    with shared_writer(tmp_path, "0of2"):
        pass
    with one_writer(tmp_path):
        pass
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("full", ["the file", "the folder's list"])
def test_a_disk_that_is_really_full(tmp_path: Path, full: str) -> None:
    """A small disk in memory: what stood there stays, nothing half-written is left, the message has path and bytes."""
    small = tmp_path / "small"
    small.mkdir()
    size = ["-o", "size=64k"] if full == "the file" else ["-o", "size=4m,nr_inodes=4"]
    if subprocess.run(["mount", "-t", "tmpfs", *size, "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        write_whole(small / "old", b"old")
        if full == "the file":
            with pytest.raises(UserError, match=rf"{small / 'old'}: the disk is full: needs 100000 bytes"):
                write_whole(small / "old", bytes(100_000))
        else:
            for k in range(2):
                (small / f"other{k}").touch()
            with pytest.raises(UserError, match=rf"{small / 'old'}: the disk is full"):
                write_whole(small / "old", b"new")
        assert (small / "old").read_bytes() == b"old"
        assert not [path for path in small.iterdir() if path.name.startswith(".part")]
    finally:
        subprocess.run(["umount", small], check=True)
