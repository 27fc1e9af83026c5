"""Pictures for training: decoded once where they fit into memory, by worker processes where they do not; augmented."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.profiler import record_function

from datasets.pictures import decode
from opengspr import ranks
from opengspr.command import UserError
from opengspr.randomness import rng

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
RAM_LIMIT_BYTES = 2 << 30
AHEAD = 2  # batches that are made before they are wanted


class Source(Protocol):
    """What pictures come from: the crops of a dataset's split, or an unlabelled target."""

    def __len__(self) -> int: ...

    def read(self, index: int, /) -> bytes:
        """Picture `index` as encoded bytes."""


class Images:
    """N pictures at one size, (height, width, 3) uint8 each.

    Args:
        source: the pictures.
        height, width: size in pixels that each is resized to.
        ram_limit_bytes: up to this size all are decoded now and kept; above it, each when it is wanted.
    """

    def __init__(self, source: Source, height: int, width: int, ram_limit_bytes: int = RAM_LIMIT_BYTES) -> None:
        self.source, self.height, self.width = source, height, width
        self.kept: np.ndarray | None = None
        if len(source) * height * width * 3 <= ram_limit_bytes:
            self.kept = np.empty((len(source), height, width, 3), np.uint8)
            with ThreadPoolExecutor(cpu_count()) as pool:  # the decoder releases the interpreter's lock
                for i, picture in enumerate(pool.map(self._decode, range(len(source)))):
                    self.kept[i] = picture

    @classmethod
    def of_array(cls, array: np.ndarray) -> "Images":
        """Pictures that are decoded already, (N, height, width, 3) uint8, possibly a memory map."""
        images = cls.__new__(cls)
        images.kept, (_, images.height, images.width, _) = array, array.shape
        return images

    def __len__(self) -> int:
        return len(self.source) if self.kept is None else len(self.kept)

    def __getitems__(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Pictures (B, height, width, 3) uint8; the name by which torch's loader asks for a whole batch."""
        if self.kept is not None:
            return np.asarray(self.kept[np.asarray(indices)])
        return np.stack([self._decode(int(i)) for i in indices])

    def stream(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """The batches in order; pictures that are not kept are decoded ahead in worker processes."""
        if self.kept is not None:
            return (self.__getitems__(batch) for batch in batches)
        loader: torch.utils.data.DataLoader[np.ndarray] = torch.utils.data.DataLoader(
            self,  # type: ignore[arg-type]  # __getitems__ is all that the loader calls, the base class wants __getitem__
            batch_sampler=[batch.tolist() for batch in batches],
            num_workers=min(8, cpu_count() or 1),
            collate_fn=lambda pictures: pictures,
            generator=torch.Generator(),  # keeps its seed draw away from the global generator
            multiprocessing_context="fork",
        )
        return iter(loader)

    def _decode(self, index: int) -> np.ndarray:
        where = getattr(self.source, "where", "picture {} of the set".format)
        picture = Image.fromarray(decode(self.source.read(index), where(index)))
        return np.asarray(picture.resize((self.width, self.height), Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class Labelled:
    """Pictures with identities: `label` (N,) counts 0 to `classes` - 1; `camid` (N,)."""

    images: Images
    label: np.ndarray
    camid: np.ndarray

    @property
    def classes(self) -> int:
        """Number of identities."""
        return int(self.label.max()) + 1


@dataclass(frozen=True)
class Unlabelled:
    """A target's N pictures with cameras and frames, (N,) each, and nothing else."""

    images: Images
    camid: np.ndarray
    frame: np.ndarray


class LabelledSource(Source, Protocol):
    """Crops with identities and cameras, (N,) each."""

    @property
    def pid(self) -> np.ndarray: ...

    @property
    def camid(self) -> np.ndarray: ...


def evenly(count: int, most: int) -> np.ndarray:
    """Some of `count` things, evenly chosen from the first to the last: their numbers, at most so many."""
    return np.unique(np.linspace(0, count - 1, most).astype(int))


def labelled(crops: LabelledSource, height: int, width: int) -> Labelled:
    """Crops with their identities counted from 0.

    Raises:
        UserError: nobody knows who they are.
    """
    if (crops.pid < 0).any():
        raise UserError("--syn, --src: crops without identities (pid -1) are fit for --tgt only")
    _, label = np.unique(crops.pid, return_inverse=True)
    return Labelled(Images(crops, height, width), label.astype(np.int64), crops.camid)


def to_tensor(pictures: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32, standardised by ImageNet's mean and deviation, channels last."""
    given = torch.from_numpy(pictures)
    if torch.device(device).type == "cuda":
        given = given.pin_memory().to(device, non_blocking=True)  # as bytes: a quarter of the way
    mean, deviation = (torch.from_numpy(255 * one).to(device) for one in (MEAN, STD))
    return given.float().sub_(mean).div_(deviation).permute(0, 3, 1, 2)


def signed(x: Tensor) -> Tensor:
    """Pictures of `to_tensor`, (B, 3, H, W) -> in [-1, 1], as generators have them."""
    mean, std = (torch.tensor(one, device=x.device).view(3, 1, 1) for one in (MEAN, STD))
    return (x * std + mean) * 2 - 1


def standardised(x: Tensor) -> Tensor:
    """The way back."""
    mean, std = (torch.tensor(one, device=x.device).view(3, 1, 1) for one in (MEAN, STD))
    return ((x + 1) / 2 - mean) / std


def from_bytes(pictures: np.ndarray, device: str) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float in [-1, 1]."""
    scaled = pictures.astype(np.float32) / np.float32(127.5) - 1
    return torch.from_numpy(scaled).permute(0, 3, 1, 2).contiguous().to(device)


def to_bytes(x: Tensor) -> np.ndarray:
    """The way back; what is beyond [-1, 1] is cut off."""
    scaled = (x.detach().float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


@dataclass(frozen=True)
class Augmentation:
    """What is done to pictures before they are learnt from, beside flips and shifts.

    Attributes:
        erase: probability of an erased rectangle: 2 to 40 % of the area, sides 0.3 to 3.3, filled with the mean colour.
        jitter: of light and colour, as two cameras differ in them; see `_jittered`. 0 = none.
        blur: probability of a Gaussian blur of 0.1 to 2 pixels at 256 x 128, less at smaller sizes. 0 = none.
        shift: whether pictures are shifted. flip: whether half of them are flipped.
    """

    erase: float = 0.5
    jitter: float = 0.0
    blur: float = 0.0
    shift: bool = True
    flip: bool = True


PLAIN = Augmentation()


def augment(
    pictures: np.ndarray,
    draws: np.random.Generator,
    by: Augmentation = PLAIN,
    batch: int | None = None,
    part: slice = slice(None),
) -> np.ndarray:
    """Flips half of the pictures, shifts each by up to 1/25 of its height, erases a rectangle in some; see `by`.

    Args:
        pictures: (B, H, W, 3) uint8.
        draws: a batch takes the same number of them whatever comes out.
        by: settings.
        batch, part: how many pictures the batch has of which these are a part, and which; by default all of it.

    Returns:
        (B, H, W, 3) uint8, a copy.
    """
    count, (height, width) = batch or len(pictures), pictures.shape[1:3]
    pad = max(1, height // 25)
    flip = (draws.random(count) < 0.5)[part] & by.flip
    shift = draws.integers(0, 2 * pad + 1, (count, 2))[part] if by.shift else np.full((len(pictures), 2), pad)
    erased = (draws.random(count) < by.erase)[part]
    area = draws.uniform(0.02, 0.4, count)[part]
    log_ratio = draws.uniform(np.log(0.3), np.log(3.3), count)[part]
    corner = draws.random((count, 2))[part]
    if by.jitter:
        pictures = _jittered(pictures, draws, by.jitter, count, part)
    if by.blur:
        blurred = (draws.random(count) < by.blur)[part]
        sigma = height / 256 * draws.uniform(0.1, 2.0, count)[part]
        pictures = pictures.copy()
        for i in np.flatnonzero(blurred):
            pictures[i] = gaussian_filter(pictures[i], (sigma[i], sigma[i], 0))
    padded = np.pad(pictures, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    result = np.empty_like(pictures)
    for i in range(len(pictures)):
        top, left = shift[i]
        view = padded[i, top : top + height, left : left + width]
        result[i] = view[:, ::-1] if flip[i] else view
        if erased[i]:
            box_h = min(height, round(float(np.sqrt(area[i] * height * width * np.exp(log_ratio[i])))))
            box_w = min(width, round(float(np.sqrt(area[i] * height * width / np.exp(log_ratio[i])))))
            y, x = (corner[i] * (height - box_h + 1, width - box_w + 1)).astype(int)
            result[i, y : y + box_h, x : x + box_w] = MEAN * 255
    return result


class Feed:
    """An epoch's augmented batches in order, made a little ahead.

    Args:
        images: pictures.
        batches: of picture indices, (B,) each; every rank gets the same and makes its own share of each.
        key: names the draws: batch n of the epoch is augmented by `rng(*key, n, view)`, so a resumed epoch has the same
            bits, on any number of ranks.
        device: cpu or cuda.
        by: how pictures are augmented.
        views: how often, anew each time.
        first: batches before this one are left out.
        plain: whether the pictures as they are come as a last view.
    """

    def __init__(
        self,
        images: Images,
        batches: Sequence[np.ndarray],
        key: Sequence[object],
        device: str,
        by: Augmentation = PLAIN,
        views: int = 1,
        first: int = 0,
        plain: bool = False,
    ) -> None:
        self.device, self.key, self.by, self.views, self.next, self.plain = device, key, by, views, first, plain
        self.left = deque(batches[first:])
        self.pictures = images.stream([batch[ranks.share(len(batch))] for batch in self.left])
        self.thread = ThreadPoolExecutor(1)
        self.ahead: deque[Future[list[np.ndarray]]] = deque()

    def _make(self, number: int, size: int) -> list[np.ndarray]:
        given, part = next(self.pictures), ranks.share(size)
        changed = [augment(given, rng(*self.key, number, view), self.by, size, part) for view in range(self.views)]
        return [*changed, given] if self.plain else changed

    def __next__(self) -> tuple[list[Tensor], Tensor]:
        """This rank's pictures in each view, (B / ranks, 3, H, W); the indices of all ranks' pictures, (B,)."""
        while len(self.ahead) < min(AHEAD + 1, len(self.left)):
            size = len(self.left[len(self.ahead)])
            self.ahead.append(self.thread.submit(self._make, self.next, size))
            self.next += 1
        with record_function("waiting for pictures"):
            index, made = self.left.popleft(), self.ahead.popleft().result()
        return [to_tensor(one, self.device) for one in made], torch.from_numpy(index).to(self.device)


def _jittered(pictures: np.ndarray, draws: np.random.Generator, strength: float, batch: int, part: slice) -> np.ndarray:
    """Pictures (B, H, W, 3) uint8 with other brightness, contrast, saturation and tint.

    Each changes by a factor of its own for every picture, whose logarithm is normal: of deviation `strength` for
    brightness and saturation, 2/3 of it for contrast, 1/3 of it for each channel's tint.
    """
    of_all, of_channels = (batch, 1, 1, 1), (batch, 1, 1, 3)
    deviations = ((1.0, of_all), (1 / 3, of_channels), (2 / 3, of_all), (1.0, of_all))
    light, tint, contrast, saturation = (
        np.exp(draws.normal(0, each * strength, shape)[part]).astype(np.float32) for each, shape in deviations
    )
    mean = pictures.mean((1, 2, 3), keepdims=True, dtype=np.float32)
    changed = (mean + (pictures - mean) * contrast) * (light * tint)
    grey = changed.mean(3, keepdims=True)
    return (grey + (changed - grey) * saturation).clip(0, 255).astype(np.uint8)
