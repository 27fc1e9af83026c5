import pickle
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets.opening import open_dataset
from datasets.pictures import DatasetError, decode, encode

RED = np.full((6, 4, 3), (200, 10, 10), np.uint8)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png_of(width: int, height: int, bits: int, kind: int, rows: bytes) -> bytes:
    """A PNG by hand, for the forms that Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_every_kind_becomes_the_same_rgb() -> None:
    red = Image.fromarray(RED)
    kinds = {
        "RGB": (saved(red, "PNG"), (200, 10, 10)),
        "grey": (saved(Image.new("L", (4, 6), 77), "PNG"), (77, 77, 77)),
        "one bit": (saved(Image.new("1", (4, 6), 1), "PNG"), (255, 255, 255)),
        "16-bit grey": (png_of(4, 6, 16, 0, (b"\0" + b"\x4d\xff" * 4) * 6), (77, 77, 77)),
        "16-bit RGB": (png_of(4, 6, 16, 2, (b"\0" + b"\xc8\xff\x0a\xff\x0a\xff" * 4) * 6), (200, 10, 10)),
        "opaque": (saved(red.convert("RGBA"), "PNG"), (200, 10, 10)),
        "clear": (saved(Image.new("RGBA", (4, 6), (1, 2, 3, 0)), "PNG"), (255, 255, 255)),
        "half clear": (saved(Image.new("LA", (4, 6), (0, 128)), "PNG"), (127, 127, 127)),
        "palette": (saved(red.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), (200, 10, 10)),
        "BMP": (saved(red, "BMP"), (200, 10, 10)),
    }
    for name, (data, colour) in kinds.items():
        image = decode(data, name)
        assert image.shape == (6, 4, 3) and image.dtype == np.uint8, name
        assert (image == colour).all(), (name, image[0, 0])


def test_lossy_kinds_come_close() -> None:
    red = Image.fromarray(np.full((16, 16, 3), (200, 10, 10), np.uint8))
    for data in (
        encode(np.asarray(red)),
        saved(red, "WEBP", quality=95),
        saved(red.convert("CMYK"), "JPEG", quality=95),
    ):
        assert np.abs(decode(data, "").astype(int) - (200, 10, 10)).max() <= 6


def test_exif_turns_the_picture_upright() -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 16:] = 255  # white at the right; orientation 6 says: turn clockwise to show
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = decode(saved(Image.fromarray(image), "JPEG", exif=exif), "")
    assert upright.shape == (32, 16, 3) and upright[:14].max() < 30 and upright[18:].min() > 225


def test_damage_is_named() -> None:
    whole = encode(np.random.default_rng(0).integers(0, 255, (64, 32, 3), np.uint8))
    for data in (b"", b"not a picture", whole[: len(whole) // 2], whole[:20], b"GIF89a" + whole):
        with pytest.raises(DatasetError, match=r"^crop 7: "):
            decode(data, "crop 7")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_before_decoding() -> None:
    for side in (8_000, 60_000):
        bomb = png_of(side, side, 8, 0, b"")
        with pytest.raises(DatasetError, match="crop 7: .*pixels"):
            decode(bomb, "crop 7")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_bytes_give_a_picture_or_our_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "BMP", "WEBP"]))
    damaged = bytearray(saved(Image.fromarray(RED), kind))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(damaged), "x").ndim == 3
    except DatasetError as error:
        assert str(error).startswith("x: ")


def test_pictures_travel_to_workers(shared_data: Path) -> None:
    crops = open_dataset("little", shared_data).split("train")
    first = crops.read(0)
    assert pickle.loads(pickle.dumps(crops)).read(0) == first


def test_threads_may_read_at_once(shared_data: Path) -> None:
    """Many threads open the same shard for the first time together, again and again."""
    crops = open_dataset("little", shared_data).split("train")
    wanted = [crops.read(i) for i in range(len(crops))]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            fresh = open_dataset("little", shared_data).split("train")
            assert list(pool.map(fresh.read, range(len(crops)))) == wanted
