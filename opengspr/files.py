"""Files that are whole or absent, and folders with one writer at a time."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from opengspr.command import UserError

PART = ".part-"  # begins the name of every file that is still being written
LOCK = ".lock"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a file for writing that appears under its name only when it is whole and on the disk.

    Raises:
        UserError: the disk is full; names the file and the bytes it needs. What stood there before stays.
    """
    path = Path(path)
    part = path.parent / f"{PART}{os.getpid()}-{secrets.token_hex(4)}"
    written = 0
    try:
        with open(part, "xb") as file:
            yield file
            written = file.tell()
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        have = shutil.disk_usage(path.parent).free
        raise UserError(f"{path}: the disk is full: needs more than {max(written, have)} bytes") from error
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: str | Path, data: bytes) -> None:
    """Writes a small file by `whole_file`."""
    try:
        with whole_file(path) as file:
            file.write(data)
    except UserError as error:
        raise UserError(f"{path}: the disk is full: needs {len(data)} bytes") from error


class Busy(UserError):
    """Another process writes to the folder."""


def parse_object(data: bytes, name: object, error: type[UserError]) -> dict[str, Any]:
    """A JSON object from anywhere.

    Raises:
        error: not JSON, or not an object; `name` says which.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise error(f"{name}: not JSON: {cause}") from cause
    if not isinstance(value, dict):
        raise error(f"{name}: a JSON {type(value).__name__}, wanted an object")
    return value


def sync_folder(folder: Path) -> None:
    """Puts the folder's list of names on the disk, so that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def output_folder(path: str | Path, parents: bool = False) -> Path:
    """Makes the folder before any work is done for it; with `parents`, also those above it.

    Raises:
        UserError: its parent is missing, a file stands there, or the place cannot be written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except FileNotFoundError:
        raise UserError(f"{path}: the output folder's parent is missing: {path.parent}") from None
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{path}: the output must be a folder, and a file stands in the way") from error
    except OSError as error:
        raise UserError(f"{path}: the output folder cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"{path}: the output folder is read-only for this user")
    return path


@contextmanager
def one_writer(folder: str | Path) -> Iterator[Path]:
    """Holds the folder for this process alone, and clears what a killed writer left half-written in it.

    The kernel's lock on `.lock` decides, so that a writer that died holds nothing; the text in it only says who.

    Raises:
        Busy: another process writes there now; names its pid and host.
    """
    folder = output_folder(folder)
    path = folder / LOCK
    handle = _lock(path, fcntl.LOCK_EX)
    try:
        left_by = _text(handle)
        if left_by:
            print(f"{folder}: taking over a stale lock, its writer is gone: {left_by}", file=sys.stderr)
        for part in folder.rglob(f"{PART}*-????????"):
            part.unlink()
        _sign(handle)
        yield folder
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def shared_writer(folder: str | Path, share: str) -> Iterator[Path]:
    """Holds one share of the work on a folder, such as `0of3`, while others may hold others, but none the whole.

    What killed writers left half-written stays until someone has the folder alone.

    Raises:
        Busy: another process has this share, or the whole.
    """
    folder = output_folder(folder)
    path, mine = folder / LOCK, folder / f"{LOCK}-{share}"
    whole = _lock(path, fcntl.LOCK_SH)
    try:
        handle = _lock(mine, fcntl.LOCK_EX)
        try:
            _sign(handle)
            _sign(whole)
            yield folder
        finally:
            mine.unlink(missing_ok=True)
            os.close(handle)
    finally:
        with suppress(BlockingIOError):
            fcntl.flock(whole, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else holds a share: the last one goes
            path.unlink(missing_ok=True)
        os.close(whole)


def holders(folder: str | Path) -> list[str]:
    """Who writes to a folder now: a line for each holder of the whole or of a share."""
    found = []
    for path in sorted(Path(folder).glob(f"{LOCK}*")):
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # nobody's, or that of the whole held in shares
            except BlockingIOError:
                share = path.name.removeprefix(f"{LOCK}-") if path.name != LOCK else ""
                found.append(f"share {share}: {_text(handle)}" if share else _text(handle))
            finally:
                os.close(handle)
    return found


def _sign(handle: int) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"pid {os.getpid()} on host {socket.gethostname()}\n".encode(), 0)


def _text(handle: int) -> str:
    return os.pread(handle, 200, 0).decode(errors="replace").strip()


def _lock(path: Path, kind: int) -> int:
    """An open handle that holds the lock on the file which bears this name now."""
    looks = 2
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BlockingIOError:
            holder = _text(handle) or "another process"
            os.close(handle)
            if looks:  # `holders` holds a lock for a moment too
                looks -= 1
                time.sleep(0.05)
                continue
            raise Busy(f"{path.parent}: {holder} writes there now; wait or choose another folder") from None
        os.close(handle)  # the last holder removed the name between our open and our lock: try again
