"""What the detector learns from: pictures with everybody's masks, made of captures.

Three kinds, in turn by chance: a shot's region; a part of a whole frame; people cut out of regions and pasted into a
part of a frame (copy-paste, Ghiasi et al., CVPR 2021), since whole frames are few and people few in them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from datasets.pictures import decode
from datasets.splits import name_hash
from labeler.detection import box_of, people
from synth.capture import Capture, Frame, Picture, Shot

Sample = tuple[np.ndarray, list[np.ndarray]]  # picture (H, W, 3) uint8, masks (H, W) bool of the people in it
CANVAS = 352  # height and width of a part of a frame
LEAST_HEIGHT, LEAST_PIXELS = 12, 60  # of a person who is to be found
HEIGHTS = 80, 420  # pixels of a region's height that the detector sees


@dataclass(frozen=True)
class Held:
    """Whom and where a detector never sees while it learns. Attributes: places, by name; people, share."""

    places: tuple[str, ...] = ()
    people: float = 0.0

    def out(self, picture: Picture) -> bool:
        """Whether a picture shows any of it."""
        truth = picture.truth
        if isinstance(picture, Frame):
            pids = [person["pid"] for person in truth["people"]]
        else:
            pids = [truth["pid"], *(other["pid"] for other in truth["others"])]
        return truth["place"] in self.places or any(self._person(truth["world"], pid) for pid in pids)

    def _person(self, world: str, pid: int) -> bool:
        return int.from_bytes(name_hash("held", world, pid), "big") < self.people * 2**64


class Samples:
    """Draws samples from captures, whose encoded pictures it keeps in memory.

    Args:
        wanted: whether a picture takes part.
    """

    def __init__(self, captures: Iterable[Capture], wanted: Callable[[Picture], bool]) -> None:
        captures = [*captures]
        self.shots: list[Shot] = [shot for capture in captures for shot in capture.shots() if wanted(shot)]
        self.frames: list[Frame] = [frame for capture in captures for frame in capture.frames() if wanted(frame)]

    def batch(self, size: int, random: np.random.Generator) -> list[Sample]:
        """So many samples, all of regions or all of parts of frames: in a mixed batch regions would lie in the corner
        of a canvas, and their edges would not be where the detector meets them later.
        """
        near = not self.frames or random.random() < 0.5
        return [self._draw(near, random) for _ in range(size)]

    def _draw(self, near: bool, random: np.random.Generator) -> Sample:
        """One sample: a person is in it who is 12 pixels high or more and has 60 or more, or nobody."""
        picture, masks = self._region(random) if near else self._part(random)
        if not near and random.random() < 0.6:
            picture, masks = self._pasted(picture, masks, random)
        if random.random() < 0.5:
            picture, masks = picture[:, ::-1], [mask[:, ::-1] for mask in masks]
        return _as_by_another_camera(picture, random), [mask for mask in masks if _large(mask)]

    def _region(self, random: np.random.Generator) -> Sample:
        """A shot, smaller or a little larger, at times only a part of it."""
        shot = self.shots[random.integers(len(self.shots))]
        wanted = np.exp(random.uniform(*np.log(HEIGHTS)))
        picture, indices = _scaled(shot, float(min(wanted / _height(shot), 1.5)))
        if random.random() < 0.25:
            height, width = indices.shape
            top, left = int(random.uniform(0, 0.4) * height), int(random.uniform(0, 0.4) * width)
            picture, indices = picture[top:, left:], indices[top:, left:]
            if random.random() < 0.5:
                picture, indices = picture[: height - 2 * top], indices[: height - 2 * top]
        return picture, people(indices)

    def _part(self, random: np.random.Generator) -> Sample:
        """A square of a frame, mostly about somebody."""
        frame = self.frames[random.integers(len(self.frames))]
        factor = float(np.exp(random.uniform(np.log(0.6), np.log(2.0))))
        picture, indices = _scaled(frame, factor)
        height, width = indices.shape
        at = np.array([random.integers(height), random.integers(width)])
        there = np.argwhere(indices[::8, ::8] > 0) * 8
        if len(there) and random.random() < 0.8:
            at = there[random.integers(len(there))]
        top, left = (
            int(np.clip(middle - random.uniform(0.2, 0.8) * CANVAS, 0, max(0, side - CANVAS)))
            for middle, side in zip(at, (height, width))
        )
        part = slice(top, top + CANVAS), slice(left, left + CANVAS)
        return picture[part].copy(), people(indices[part])

    def _pasted(self, picture: np.ndarray, masks: list[np.ndarray], random: np.random.Generator) -> Sample:
        """The same with one to four people more, who hide what is behind them."""
        height, width = picture.shape[:2]
        for _ in range(random.integers(1, 5)):
            shot = self.shots[random.integers(len(self.shots))]
            wanted = np.exp(random.uniform(np.log(28), np.log(300)))
            person, indices = _scaled(shot, float(min(wanted / _height(shot), 1.3)))
            mask = indices == shot.truth["instance"]
            if not mask.any():
                continue
            x0, y0, x1, y1 = box_of(mask)
            person, mask = person[y0:y1, x0:x1], mask[y0:y1, x0:x1]
            top = int(random.uniform(-0.15 * len(mask), height - 0.6 * len(mask)))
            left = int(random.uniform(-0.3 * mask.shape[1], width - 0.7 * mask.shape[1]))
            onto = slice(max(top, 0), top + len(mask)), slice(max(left, 0), left + mask.shape[1])
            size = picture[onto].shape[:2]
            if 0 in size:
                continue
            from_ = tuple(slice(max(-start, 0), max(-start, 0) + side) for start, side in zip((top, left), size))
            cut = mask[from_]
            soft = gaussian_filter(cut.astype(np.float32), 0.7)[..., None]
            soft = np.where(cut[..., None], np.maximum(soft, 0.5), np.minimum(soft, 0.5))
            picture[onto] = (soft * person[from_] + (1 - soft) * picture[onto]).astype(np.uint8)
            for other in masks:
                other[onto] &= ~cut
            new = np.zeros((height, width), bool)
            new[onto] = cut
            masks.append(new)
        return picture, masks


def _height(shot: Shot) -> float:
    """Of a shot's picture in pixels."""
    return shot.truth["region"][3] * shot.truth["scale"]


def _scaled(picture: Picture, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, 3) and its instance indices (H, W) at another size."""
    image, indices = decode(picture.jpg, picture.key), picture.mask()
    width, height = (max(8, round(side * factor)) for side in indices.shape[::-1])
    how = Image.Resampling.BILINEAR
    smaller = Image.fromarray(image).resize((width, height), how, reducing_gap=2.0)
    return np.array(smaller), np.array(Image.fromarray(indices).resize((width, height), Image.Resampling.NEAREST))


def _large(mask: np.ndarray) -> bool:
    if mask.sum() < LEAST_PIXELS:
        return False
    _, y0, _, y1 = box_of(mask)
    return y1 - y0 >= LEAST_HEIGHT


def _as_by_another_camera(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The picture brighter or darker, in another tint, blurred, noisy, or coded coarsely, each at times."""
    light = picture.astype(np.float32)
    if random.random() < 0.8:
        grey = light.mean(-1, keepdims=True)
        light = grey + (light - grey) * random.uniform(0.4, 1.4)
        light = (light - 128) * random.uniform(0.6, 1.4) + 128 + random.uniform(-40, 40)
        light *= random.uniform(0.88, 1.12, 3)
    if random.random() < 0.3:
        light = gaussian_filter(light, (*[random.uniform(0.3, 1.5)] * 2, 0))
    if random.random() < 0.3:
        light = light + random.normal(0, random.uniform(2, 14), light.shape)
    out = np.clip(light, 0, 255).astype(np.uint8)
    if random.random() < 0.4:
        stream = BytesIO()
        Image.fromarray(out).save(stream, "JPEG", quality=int(random.integers(25, 90)))
        out = np.array(Image.open(stream).convert("RGB"))
    return out


def held_places(captures: Sequence[Capture], share: float) -> tuple[str, ...]:
    """So large a share of the captures' places, by a hash of their names; at least one where any is asked for."""
    places = sorted({place for capture in captures for place in capture.info.get("places", [])}, key=name_hash_of)
    return tuple(places[: max(1, round(share * len(places)))]) if share and places else ()


def name_hash_of(place: str) -> bytes:
    return name_hash("held place", place)
