"""Shards: plain tar files that WebDataset and `tar` can read, written whole and read without trust.

Only the plainest tar there is: regular files, short plain names, no folders, links, devices or extended headers. So
reading needs no extraction and can write nothing anywhere.
"""

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from opengspr.command import UserError
from opengspr.files import whole_file

BLOCK = 512
NAME = re.compile(r"[A-Za-z0-9_-]{1,90}\.[a-z0-9]{1,8}")


class ShardError(UserError):
    """A shard that is not what we write; names the file and the member."""


class Member(NamedTuple):
    """One file of a shard; `offset` is where its bytes begin in the tar."""

    name: str
    offset: int
    data: bytes


def write_shard(path: str | Path, members: Iterable[tuple[str, bytes]]) -> list[int]:
    """Writes (name, bytes) pairs as a tar that appears when it is whole; the same pairs give the same bytes.

    Returns:
        the offset of each member's bytes, in order.
    """
    offsets = []
    with whole_file(path) as file:
        for name, data in members:
            assert NAME.fullmatch(name), f"not a plain member name: {name!r}"
            header = tarfile.TarInfo(name)
            header.size = len(data)
            file.write(header.tobuf(tarfile.USTAR_FORMAT))
            offsets.append(file.tell())
            file.write(data + bytes(-len(data) % BLOCK))
        file.write(bytes(2 * BLOCK))
    return offsets


def join_shards(path: str | Path, parts: Iterable[str | Path]) -> None:
    """Writes the members of shards of ours, one after the other, as one shard: each part but its end."""
    with whole_file(path) as file:
        for part in parts:
            with open(part, "rb") as source:
                left = body_bytes(part)
                while left:
                    data = source.read(min(left, 1 << 20))
                    if not data:
                        raise ShardError(f"{part}: cut off")
                    file.write(data)
                    left -= len(data)
        file.write(bytes(2 * BLOCK))


def body_bytes(path: str | Path) -> int:
    """Size of a shard of ours without its end."""
    return Path(path).stat().st_size - 2 * BLOCK


def read_shard(path: str | Path, caps: Mapping[str, int], most: int = 100_000) -> Iterator[Member]:
    """Streams the members of a shard.

    Args:
        path: the tar file.
        caps: the largest size in bytes that a member may have, by its ending (`{"jpg": 1 << 24}`); others are refused.
        most: the largest number of members.

    Raises:
        ShardError: the first thing that is not as it should be.
    """
    with open(path, "rb") as file:
        count = 0
        while (block := file.read(BLOCK)) != bytes(BLOCK):
            count += 1
            if count > most:
                raise ShardError(f"{path}: more than {most} members")
            name, size = _checked_header(path, block, caps)
            offset = file.tell()
            data = file.read(size)
            if len(data) != size or len(file.read(-size % BLOCK)) != -size % BLOCK:
                raise ShardError(f"{path}: {name} is cut off: {len(data)} of {size} bytes")
            yield Member(name, offset, data)


def _checked_header(path: str | Path, block: bytes, caps: Mapping[str, int]) -> tuple[str, int]:
    """The name and the size that a header gives, where both are what we allow."""
    try:
        header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise ShardError(f"{path}: not a whole tar file: {error}") from error
    if header.type != tarfile.REGTYPE:
        raise ShardError(f"{path}: member {header.name!r} is not a regular file (a link, folder, device or extension)")
    if not NAME.fullmatch(header.name):
        raise ShardError(f"{path}: member name {header.name!r} is not a plain KEY.ending")
    cap = caps.get(header.name.rpartition(".")[2], -1)
    if not 0 <= header.size <= cap:
        wanted = f"at most {cap} bytes" if cap >= 0 else f"only {', '.join(sorted(caps))}"
        raise ShardError(f"{path}: member {header.name!r} of {header.size} bytes: wanted {wanted}")
    return header.name, header.size
