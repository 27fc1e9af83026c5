"""Body shape: phenotype parameters to vertices of the base mesh, and skinning (all numpy).

The shape space is MakeHuman's: targets for every combination of sex, age, muscle and weight, blended by the product of
the parameters' interpolation weights; then height and proportions, and a uniform scale to the exact height.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.sparse import csr_array

from synth.person.basemesh import base_mesh, target

AGES = {"child": 10.0, "young": 25.0, "old": 80.0}
LEVELS = {"min": 0.0, "average": 0.5, "max": 1.0}
ORIGINS = ("african", "asian", "caucasian")
DETAILS = {  # name: the targets of less and of more; a star stands for both sides
    "nose width": ("nose/nose-scale-horiz-decr", "nose/nose-scale-horiz-incr"),
    "nose length": ("nose/nose-scale-depth-decr", "nose/nose-scale-depth-incr"),
    "nose hump": ("nose/nose-curve-concave", "nose/nose-hump-incr"),
    "nose height": ("nose/nose-trans-down", "nose/nose-trans-up"),
    "mouth width": ("mouth/mouth-scale-horiz-decr", "mouth/mouth-scale-horiz-incr"),
    "lower lip": ("mouth/mouth-lowerlip-volume-decr", "mouth/mouth-lowerlip-volume-incr"),
    "upper lip": ("mouth/mouth-upperlip-volume-decr", "mouth/mouth-upperlip-volume-incr"),
    "chin height": ("chin/chin-height-decr", "chin/chin-height-incr"),
    "chin width": ("chin/chin-width-decr", "chin/chin-width-incr"),
    "jaw": ("chin/chin-prominent-decr", "chin/chin-prominent-incr"),
    "cheek bones": ("cheek/*-cheek-bones-decr", "cheek/*-cheek-bones-incr"),
    "cheeks": ("cheek/*-cheek-volume-decr", "cheek/*-cheek-volume-incr"),
    "eyes": ("eyes/*-eye-scale-decr", "eyes/*-eye-scale-incr"),
    "ears": ("ears/*-ear-wing-decr", "ears/*-ear-wing-incr"),
    "face width": ("head/head-scale-horiz-decr", "head/head-scale-horiz-incr"),
    "face fat": ("head/head-fat-decr", "head/head-fat-incr"),
    "forehead": ("forehead/forehead-scale-vert-decr", "forehead/forehead-scale-vert-incr"),
    "neck": ("neck/neck-scale-horiz-decr", "neck/neck-scale-horiz-incr"),
    "shoulders": ("torso/measure-shoulder-dist-decr", "torso/measure-shoulder-dist-incr"),
    "hips": ("hip/hip-scale-horiz-decr", "hip/hip-scale-horiz-incr"),
    "belly": ("stomach/stomach-tone-incr", "stomach/stomach-tone-decr"),
    "v shape": ("torso/torso-vshape-decr", "torso/torso-vshape-incr"),
}
RELAXED = {  # of everybody: the base mesh purses its lips
    "mouth/mouth-scale-depth-decr": 0.7,
    "mouth/mouth-angles-up": 0.25,
    "chin/chin-prominent-incr": 0.2,
}


@dataclass(frozen=True)
class Shape:
    """Parameters of a body.

    Attributes:
        male: 0 female to 1 male.
        age_years: 10 to 80.
        muscle, weight: 0 to 1, 0.5 average.
        height_m: standing height.
        stature: -1 short-limbed to 1 long-limbed build (MakeHuman's height target, before scaling).
        ideal: 0 to 1, weight of the "ideal proportions" target.
        origin: three non-negative weights of MakeHuman's face and build targets; a matter of shape only.
        details: names of DETAILS and their amounts, -1 to 1.
    """

    male: float
    age_years: float
    muscle: float
    weight: float
    height_m: float
    stature: float = 0.0
    ideal: float = 0.5
    origin: tuple[float, float, float] = (1.0, 1.0, 1.0)
    details: tuple[tuple[str, float], ...] = ()


def shape_of(look: dict) -> Shape:
    return Shape(**{**look["shape"], "origin": tuple(look["shape"]["origin"])})


def _hat(value: float, knots: dict[str, float]) -> dict[str, float]:
    """Weights of linear interpolation between named knots; they sum to 1."""
    names, places = list(knots), list(knots.values())
    value = float(np.clip(value, places[0], places[-1]))
    k = min(int(np.searchsorted(places, value, side="right")) - 1, len(places) - 2)
    share = (value - places[k]) / (places[k + 1] - places[k])
    return {name: weight for name, weight in ((names[k], 1 - share), (names[k + 1], share)) if weight > 0}


def shape_vertices(shape: Shape) -> np.ndarray:
    """Vertices (19158, 3) of the unposed body with its helpers, metres, soles of the feet at z = 0.

    The standing height is measured on the skin, from the sole to the crown.
    """
    mesh = base_mesh()
    vertices = mesh.vertices.astype(np.float32)

    def add(name: str, weight: float) -> None:
        target(name).add(vertices, weight)

    sexes = {name: w for name, w in (("female", 1 - shape.male), ("male", shape.male)) if w > 0}
    ages, muscles, weights = _hat(shape.age_years, AGES), _hat(shape.muscle, LEVELS), _hat(shape.weight, LEVELS)
    origin = np.array(shape.origin) / np.sum(shape.origin)
    height = "maxheight" if shape.stature >= 0 else "minheight"
    for (sex, ws), (age, wa) in product(sexes.items(), ages.items()):
        for name, wo in zip(ORIGINS, origin, strict=True):
            add(f"macrodetails/{name}-{sex}-{age}", ws * wa * wo)
        for (muscle, wm), (weight, ww) in product(muscles.items(), weights.items()):
            blend, build = ws * wa * wm * ww, f"{sex}-{age}-{muscle}muscle-{weight}weight"
            add(f"macrodetails/universal-{build}", blend)
            add(f"macrodetails/height/{build}-{height}", blend * abs(shape.stature))
            add(f"macrodetails/proportions/{build}-idealproportions", blend * shape.ideal)
    for name, amount in RELAXED.items():
        add(name, amount)
    for detail, amount in shape.details:
        less, more = DETAILS[detail]
        for side in "lr" if "*" in more else "*":
            add((more if amount >= 0 else less).replace("*", side), abs(amount))
    skin = vertices[: mesh.faces["body"].max() + 1]
    low, high = float(skin[:, 2].min()), float(skin[:, 2].max())
    return (vertices.astype(float) - [0.0, 0.0, low]) * (shape.height_m / (high - low))


def joints(vertices: np.ndarray) -> np.ndarray:
    """Bone heads (B, 3) of a shaped body."""
    return vertices[base_mesh().joints].mean(axis=1)


def bone_transforms(heads: np.ndarray, rotations: dict[str, np.ndarray]) -> np.ndarray:
    """Forward kinematics.

    Args:
        heads: (B, 3) bone heads of the unposed body.
        rotations: bone name -> 3x3 rotation in the axes of the unposed body, relative to the parent.

    Returns:
        (B, 3, 4) affine maps from unposed to posed space; the pelvis stays where it is.
    """
    mesh = base_mesh()
    out = np.empty((len(heads), 3, 4))
    for b, name in enumerate(mesh.bones):
        local = rotations.get(name, np.eye(3))
        parent = mesh.parents[b]
        turn = local if parent < 0 else out[parent, :, :3] @ local
        head = heads[b] if parent < 0 else out[parent, :, :3] @ heads[b] + out[parent, :, 3]
        out[b, :, :3], out[b, :, 3] = turn, head - turn @ heads[b]
    return out


def skin(vertices: np.ndarray, weights: np.ndarray | csr_array, transforms: np.ndarray) -> np.ndarray:
    """Linear blend skinning: vertices (N, 3), weights (N, B), transforms (B, 3, 4) -> (N, 3)."""
    blended = (weights @ transforms.reshape(len(transforms), 12).astype(weights.dtype)).reshape(-1, 3, 4)
    return (blended[:, :, :3] @ vertices[:, :, None])[..., 0] + blended[:, :, 3]
