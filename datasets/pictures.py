"""Encoded pictures, inside shards or as files, and decoding to one defined RGB."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from opengspr.command import UserError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
MOST_PIXELS = 50_000_000  # a larger picture is refused before it is decoded
MOST_BYTES = 1 << 24


class DatasetError(UserError):
    """Something that is not a dataset, or is damaged; names the folder, file or crop."""


def decode(data: bytes, name: str) -> np.ndarray:
    """Decodes a picture from anywhere to (H, W, 3) uint8 RGB, upright.

    Grey is repeated, 16-bit keeps its high byte, CMYK is converted, transparency is laid over white, and EXIF
    orientation is applied.

    Raises:
        DatasetError: not a picture, cut off, or too large to be one; `name` says which.
    """
    if not data:
        raise DatasetError(f"{name}: empty, wanted a picture")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise DatasetError(f"{name}: {width}x{height} pixels, more than {MOST_PIXELS} are refused")
            return np.array(_rgb(ImageOps.exif_transpose(picture)))
    except UserError:
        raise
    except Exception as error:  # on damaged bytes the decoders raise nearly anything
        raise DatasetError(f"{name}: cannot be read as a picture: {' '.join(str(error).split())}") from error


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip instead of scale
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")


def encode(image: np.ndarray, quality: int = 95) -> bytes:
    """JPEG bytes, 4:4:4, of an (H, W, 3) uint8 RGB image; the same image gives the same bytes."""
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


class Pictures(ABC):
    """N encoded pictures by their numbers. Works across forks, in threads and in worker processes."""

    root: Path

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, i: int) -> bytes:
        """The encoded bytes of picture i."""

    @abstractmethod
    def where(self, i: int) -> str:
        """Where picture i lies, for messages."""

    @abstractmethod
    def take(self, indices: np.ndarray) -> "Pictures":
        """These pictures, in this order."""

    def image(self, i: int) -> np.ndarray:
        """Picture i, (H, W, 3) uint8 RGB."""
        return decode(self.read(i), self.where(i))


class InShards(Pictures):
    """Pictures inside of larger files, such as tars: each by its file's number, offset and size, (N,) int64."""

    def __init__(
        self, root: Path, shard: np.ndarray, offset: np.ndarray, size: np.ndarray, files: Sequence[str] | None = None
    ) -> None:
        """Args: files: paths of the files below root; by default shards/00000.tar and so on."""
        self.root, self._names = root, files
        self._place = np.stack([shard, offset, size], axis=1).astype(np.int64)  # (N, 3)
        self._files: dict[int, FileIO] = {}

    def __len__(self) -> int:
        return len(self._place)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}}  # open files do not travel to another process

    def path(self, shard: int) -> Path:
        """Of the file of this number."""
        return self.root / (self._names[shard] if self._names else f"shards/{shard:05d}.tar")

    def read(self, i: int) -> bytes:
        shard, offset, size = self._place[i].tolist()
        try:
            file = self._files.get(shard) or self._files.setdefault(shard, FileIO(self.path(shard)))
            data = os.pread(file.fileno(), size, offset)
        except FileNotFoundError:
            raise DatasetError(f"{self.path(shard)}: missing; the manifest names it") from None
        if len(data) != size:
            raise DatasetError(f"{self.path(shard)}: cut off: {size} bytes wanted at byte {offset}, got {len(data)}")
        return data

    def where(self, i: int) -> str:
        shard, offset, _ = self._place[i].tolist()
        return f"{self.path(shard)} at byte {offset}"

    def take(self, indices: np.ndarray) -> "InShards":
        shard, offset, size = self._place[indices].T
        return InShards(self.root, shard, offset, size, self._names)


class InFiles(Pictures):
    """Pictures that are files of their own, by their paths (N,) below a folder."""

    def __init__(self, root: Path, names: pa.Array) -> None:
        self.root, self._names = root, names

    def __len__(self) -> int:
        return len(self._names)

    def read(self, i: int) -> bytes:
        path = self.root / self._names[i].as_py()
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise DatasetError(f"{path}: missing since the dataset was opened") from None
        if len(data) > MOST_BYTES:
            raise DatasetError(f"{path}: {len(data)} bytes, more than {MOST_BYTES} are refused")
        return data

    def where(self, i: int) -> str:
        return str(self.root / self._names[i].as_py())

    def take(self, indices: np.ndarray) -> "InFiles":
        return InFiles(self.root, self._names.take(pa.array(indices, pa.int64())))
