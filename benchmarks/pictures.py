"""JPEG files for benchmarks, and a folder of them as a source of pictures."""

from pathlib import Path

import numpy as np
from PIL import Image


class Folder:
    """JPEG files as a source of pictures."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int, /) -> bytes:
        """The encoded bytes."""
        return self.files[index].read_bytes()


def people(folder: Path, count: int, each: int) -> list[Path]:
    """Smooth pictures with some noise, 256 x 128, `each` to a person, named as Market-1501's."""
    random, files = np.random.default_rng(0), []
    ramp = np.linspace(0, 6, 256)[:, None, None] + np.linspace(0, 3, 128)[None, :, None]
    for n in range(count * each):
        image = 128 + 80 * np.sin(ramp * random.uniform(0.5, 3, 3) + random.uniform(0, 6, 3))
        files.append(folder / f"{n // each:04d}_c{n % 4 + 1}s1_{n:06d}_00.jpg")
        noisy = image + random.normal(0, 6, image.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(files[-1], quality=90)
    return files
