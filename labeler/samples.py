"""What the detector learns from: pictures with everybody's masks, made of captures.

Three kinds, in turn by chance: a shot's region; a part of a whole frame; people cut out of regions and pasted into a
part of a frame (copy-paste, Ghiasi et al., CVPR 2021), since whole frames are few and people few in them.
"""

from collections.abc import Iterable
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter

from datasets.pictures import decode
from labeler.detection import box_of, people
from labeler.maskrcnn import NEAR
from opengspr.command import UserError
from synth.capture import Capture, Frame, Picture, Shot

Sample = tuple[np.ndarray, list[np.ndarray]]  # picture (H, W, 3) uint8, masks (H, W) bool of the people in it
CANVAS = 352  # height and width of a part of a frame
FACTORS = 0.5, 1.3  # by which frames are scaled for that; the detector sees them as they were kept
LEAST_HEIGHT, LEAST_PIXELS = 12, 60  # of a person who is to be found
LEAST_REGION = 96  # pixels of a region's height; mostly they are as high as the detector sees them
PEOPLE = 0.7  # share of people among what is pasted
PROPORTIONS = 1.5, 5.0  # height over width of what else is
WHOLE_SHARE = 0.7  # a person is pasted only when so much of them is visible


class Samples:
    """Draws samples from captures, whose encoded pictures it keeps in memory.

    Raises:
        UserError: a picture and its mask are not of the same size; names its key.
    """

    def __init__(self, captures: Iterable[Capture]) -> None:
        captures = [*captures]
        self.shots: list[Shot] = [shot for capture in captures for shot in capture.shots()]
        self.frames: list[Frame] = [frame for capture in captures for frame in capture.frames()]
        for one in (*self.shots, *self.frames):
            sizes = {_size(one.jpg, one.key), _size(one.png, one.key)}
            if len(sizes) > 1:
                raise UserError(f"{one.key}: its picture and its mask are of different sizes: {sizes}")
        self.whole = [shot for shot in self.shots if shot.truth["visible_share"] >= WHOLE_SHARE]

    def batch(self, size: int, near: bool, random: np.random.Generator) -> list[Sample]:
        """So many samples, all of regions or all of parts of frames: in a mixed batch regions would lie in the corner
        of a canvas, and their edges would not be where the detector meets them later.

        Args:
            near: regions, all of one height; there are no others where captures have no frames.
        """
        near = near or not self.frames
        height = NEAR if random.random() < 0.6 else float(np.exp(random.uniform(np.log(LEAST_REGION), np.log(NEAR))))
        return [self._draw(near, height, random) for _ in range(size)]

    def _draw(self, near: bool, height: float, random: np.random.Generator) -> Sample:
        """One sample: a person is in it who is 12 pixels high or more and has 60 or more, or nobody."""
        picture, masks = self._region(height, random) if near else self._part(random)
        if not near and random.random() < 0.5 and self.whole:
            picture, masks = self._pasted(picture, masks, random)
        if random.random() < 0.5:
            picture, masks = picture[:, ::-1], [mask[:, ::-1] for mask in masks]
        return _as_by_another_camera(picture, random), [mask for mask in masks if _large(mask)]

    def _region(self, height: float, random: np.random.Generator) -> Sample:
        """A shot at this height, if it is not much smaller, at times only a part of it."""
        shot = self.shots[random.integers(len(self.shots))]
        picture, indices = _scaled(shot, min(height / _height(shot), 1.5))
        if random.random() < 0.2:
            height, width = indices.shape
            top, left = int(random.uniform(0, 0.4) * height), int(random.uniform(0, 0.4) * width)
            picture, indices = picture[top:, left:], indices[top:, left:]
            if random.random() < 0.5:
                picture, indices = picture[: height - 2 * top], indices[: height - 2 * top]
        return picture, people(indices)

    def _part(self, random: np.random.Generator) -> Sample:
        """A square of a frame, mostly about somebody."""
        frame = self.frames[random.integers(len(self.frames))]
        factor = float(np.exp(random.uniform(*np.log(FACTORS))))
        image, indices = decode(frame.jpg, frame.key), frame.mask()
        side = round(CANVAS / factor)
        at = np.array([random.integers(length) for length in indices.shape])
        there = np.argwhere(indices[::4, ::4] > 0) * 4
        if len(there) and random.random() < 0.6:
            at = there[random.integers(len(there))]
        top, left = (
            int(np.clip(middle - random.uniform(0.2, 0.8) * side, 0, max(0, length - side)))
            for middle, length in zip(at, indices.shape)
        )
        part = slice(top, top + side), slice(left, left + side)
        image, indices = _resized(image[part], indices[part], factor)
        return image, people(indices)

    def _pasted(self, picture: np.ndarray, masks: list[np.ndarray], random: np.random.Generator) -> Sample:
        """The same with one to five more, who hide what is behind them: people, and at times an upright piece of a
        frame where nobody is, lest the edges of what is pasted stand for a person.
        """
        height, width = picture.shape[:2]
        for _ in range(random.integers(1, 6)):
            wanted = float(np.exp(random.uniform(np.log(40), np.log(330))))
            somebody = random.random() < PEOPLE
            person, mask = self._person(wanted, random) if somebody else self._piece(wanted, random)
            if not mask.any():
                continue
            top = int(random.uniform(-0.15 * len(mask), height - 0.6 * len(mask)))
            left = int(random.uniform(-0.3 * mask.shape[1], width - 0.7 * mask.shape[1]))
            onto = slice(max(top, 0), top + len(mask)), slice(max(left, 0), left + mask.shape[1])
            size = picture[onto].shape[:2]
            if 0 in size:
                continue
            from_ = tuple(slice(max(-start, 0), max(-start, 0) + side) for start, side in zip((top, left), size))
            cut = mask[from_]
            bright = np.clip((picture[onto].mean() + 20) / (person.mean() + 20), 0.5, 2) ** random.uniform(0, 1)
            soft = gaussian_filter(cut.astype(np.float32), 0.7) if random.random() < 0.7 else 1.0
            share = (np.maximum(soft, 0.5) * cut)[..., None]
            light = np.clip(person[from_] * bright, 0, 255)
            picture[onto] = (share * light + (1 - share) * picture[onto]).astype(np.uint8)
            for other in masks:
                other[onto] &= ~cut
            if somebody:
                new = np.zeros((height, width), bool)
                new[onto] = cut
                masks.append(new)
        return picture, masks

    def _person(self, height: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Somebody cut out of a region that is made so high, or 1.3 times as high as it is: picture and mask."""
        shot = self.whole[random.integers(len(self.whole))]
        image, indices = _scaled(shot, min(height / _height(shot), 1.3))
        mask = indices == shot.truth["instance"]
        if not mask.any():
            return image, mask
        x0, y0, x1, y1 = box_of(mask)
        image, mask = image[y0:y1, x0:x1], mask[y0:y1, x0:x1]
        # often without the rim, in which their own background is mixed
        return image, binary_erosion(mask) if random.random() < 0.5 else mask

    def _piece(self, height: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A box or an oval of a frame, of a person's proportions: picture and mask, which is empty where one is."""
        frame = self.frames[random.integers(len(self.frames))]
        image, indices = decode(frame.jpg, frame.key), frame.mask()
        rows = int(min(height, len(image)))
        across = max(6, round(rows / random.uniform(*PROPORTIONS)))
        top, left = (random.integers(max(1, side - wanted)) for side, wanted in zip(indices.shape, (rows, across)))
        image, indices = (one[top : top + rows, left : left + across] for one in (image, indices))
        y, x = (np.linspace(-1, 1, side) for side in indices.shape)
        oval = np.hypot(y[:, None], x) <= 1
        mask = np.ones(indices.shape, bool) if random.random() < 0.5 else oval
        return image, mask & (not indices.any())


def _size(encoded: bytes, key: str) -> tuple[int, int]:
    """Width and height of an encoded picture, by its head."""
    try:
        with Image.open(BytesIO(encoded)) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{key}: cannot be read as a picture: {error}") from error


def _height(shot: Shot) -> float:
    """Of a shot's picture in pixels."""
    return shot.truth["region"][3] * shot.truth["scale"]


def _scaled(picture: Picture, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, 3) and its instance indices (H, W) at another size."""
    return _resized(decode(picture.jpg, picture.key), picture.mask(), factor)


def _resized(image: np.ndarray, indices: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    width, height = (max(8, round(side * factor)) for side in indices.shape[::-1])
    smaller = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
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
        light *= random.uniform(0.88, 1.12, 3).astype(np.float32)
    if random.random() < 0.4:
        light = 255 * (np.clip(light, 0, 255) / 255) ** np.float32(np.exp(random.uniform(-0.6, 0.6)))
    if random.random() < 0.3:
        light = gaussian_filter(light, (*[random.uniform(0.3, 1.5)] * 2, 0))
    if random.random() < 0.3:
        light = light + random.standard_normal(light.shape, np.float32) * np.float32(random.uniform(2, 14))
    out = np.clip(light, 0, 255).astype(np.uint8)
    if random.random() < 0.4:
        stream = BytesIO()
        Image.fromarray(out).save(stream, "JPEG", quality=int(random.integers(25, 90)))
        out = np.array(Image.open(stream).convert("RGB"))
    return out
