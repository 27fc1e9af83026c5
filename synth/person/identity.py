"""Identities: who exists in a world and what they wear.

Every attribute comes from its own random stream, named by (seed, world, attribute, pid), so no attribute depends on
another's draws and
identity k never depends on how many people follow it. Clothes are drawn again when an earlier person looks too much
alike.
"""

from collections.abc import Iterator

import numpy as np

from synth.motion import Gait
from synth.person.textures import hex_colour, jitter
from synth.randomness import rng

WARDROBES = {
    "mixed": {
        "tops": {"tshirt": 5, "polo": 2, "tank": 1, "longsleeve": 3, "shirt": 3, "hoodie": 3, "jacket": 3, "parka": 1},
        "bottoms": {
            "trousers": 4,
            "jeans": 5,
            "slim": 2,
            "leggings": 1,
            "shorts": 2,
            "short shorts": 0.5,
            "skirt": 1.5,
            "midi skirt": 1,
            "mini skirt": 0.5,
        },
        "shoes": {"trainers": 6, "leather": 2, "flats": 1, "boots": 1},
        "hats": 0.12,
        "bag": 0.25,
        "bright": 0.35,
    },
    "summer": {
        "tops": {"tshirt": 8, "polo": 2, "tank": 2, "shirt": 1, "longsleeve": 1},
        "bottoms": {
            "jeans": 3,
            "trousers": 2,
            "shorts": 5,
            "short shorts": 1,
            "skirt": 2,
            "mini skirt": 1,
            "midi skirt": 1,
            "slim": 1,
        },
        "shoes": {"trainers": 7, "flats": 2, "leather": 1},
        "hats": 0.08,
        "bag": 0.3,
        "bright": 0.5,
    },
    "winter": {
        "tops": {"jacket": 5, "parka": 4, "hoodie": 3, "longsleeve": 1},
        "bottoms": {"jeans": 5, "trousers": 4, "slim": 2, "leggings": 1, "midi skirt": 0.5},
        "shoes": {"trainers": 4, "boots": 4, "leather": 2},
        "hats": 0.3,
        "bag": 0.3,
        "bright": 0.2,
    },
}
MUTED = (
    "#141518 #1d2024 #24262b #2b2f38 #1b2438 #23304c #33405c #3d4656 #4a4d52 #63666b #7c7f84 #9a9da1 #b9bbbd #d7d7d5 "
    "#e9e8e4 #efeee9 "
    "#4b3a2c #6a513b #8c7455 #b09a78 #cbb996 #5b5f45 #3e4631 #5a2430 #3a1f2b"
).split()
BRIGHT = (
    "#b3202c #d4452b #e07b22 #e7b928 #7fa334 #2f8a4c #2a8f8f #2f7fc0 "
    "#2a52a8 #5b3f9c #a23b84 #d8748e #8fc1e0 #b9d7a8 #f0d9a0"
).split()
DENIM = "#1c2740 #27375a #38507a #5a7399 #8aa0bb #23252c".split()
HAIR_COLOURS = {
    "#17130f": 4,
    "#2a1d14": 4,
    "#46301f": 3,
    "#6b4a2e": 2,
    "#9c7546": 1,
    "#c9a66b": 0.8,
    "#7c3b20": 0.5,
    "#8d8d8b": 0.8,
    "#c4c3c0": 0.4,
}
EYES = "#2b1b10 #3a2817 #4a3a22 #3c4a38 #40586b".split()
HAIRCUTS = {
    "male": {"bald": 1, "buzz": 2, "short": 5, "side": 4, "curly": 2, "afro": 0.5, "shoulder": 0.4},
    "female": {"short": 0.8, "curly": 1, "afro": 0.5, "bob": 3, "shoulder": 3, "long": 4, "bun": 3},
}


class _Streams:
    """Random choices of one person, a stream for each attribute."""

    def __init__(self, seed: int, world: str, pid: int, attempt: int = 0):
        self.key = (seed, world, pid, attempt)

    def __call__(self, attribute: str) -> np.random.Generator:
        seed, world, pid, attempt = self.key
        return rng(seed, world, attribute, pid, attempt)

    def pick(self, attribute: str, table: dict[str, float]) -> str:
        names, weights = list(table), np.array(list(table.values()), float)
        return names[int(self(attribute).choice(len(names), p=weights / weights.sum()))]

    def colour(self, attribute: str, bright: float) -> str:
        random = self(attribute)
        palette = BRIGHT if random.random() < bright else MUTED
        return _hex(jitter(hex_colour(palette[random.integers(len(palette))]), random))


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in np.clip(colour, 0, 1))


def identities(world: str, wardrobe: str, count: int, seed: int) -> Iterator[dict]:
    """Looks of the first `count` people of a world, in pid order; a longer list begins with the same people.

    A look is a JSON-ready dict that holds every resolved parameter: `person.build` needs nothing else.
    """
    if wardrobe not in WARDROBES:
        raise ValueError(f"wardrobe: got {wardrobe!r}, wanted one of {', '.join(WARDROBES)}")
    seen: list[dict] = []
    for pid in range(count):
        body = _body(_Streams(seed, world, pid))
        for attempt in range(40):
            clothes = _clothes(_Streams(seed, world, pid, attempt), WARDROBES[wardrobe], body["sex"])
            if not any(_alike(clothes, other) for other in seen):
                break
        seen.append(clothes)
        yield {"world": world, "pid": pid, **body, **clothes}


def _body(draw: _Streams) -> dict:
    sex = "male" if draw("sex").random() < 0.5 else "female"
    group = draw.pick("age_group", {"child": 0.06, "young": 0.37, "middle": 0.37, "old": 0.2})
    low, high = {"child": (10, 14), "young": (17, 30), "middle": (31, 55), "old": (56, 80)}[group]
    age = float(draw("age").uniform(low, high))
    mean, sd = (1.76, 0.07) if sex == "male" else (1.63, 0.065)
    height = float(np.clip(draw("height").normal(mean, sd), mean - 2.5 * sd, mean + 2.5 * sd))
    if group == "child":
        height *= 0.79 + 0.045 * (age - 10)
    random = draw("build")
    shape = {
        "male": float(np.clip((0.88 if sex == "male" else 0.1) + random.normal(0, 0.06), 0, 1)),
        "age_years": age,
        "muscle": float(np.clip(random.normal(0.52, 0.14), 0.1, 0.95)),
        "weight": float(np.clip(random.normal(0.52, 0.17), 0.08, 1.0)),
        "height_m": height,
        "stature": float(np.clip(random.normal(0, 0.3), -0.8, 0.8)),
        "ideal": float(random.uniform(0.2, 0.8)),
        "origin": [float(x) for x in random.dirichlet([0.7, 0.7, 0.7])],
    }
    random = draw("gait")
    gait = Gait(
        stride=float(random.normal(0.95, 0.1)),
        arm_swing=float(np.clip(random.normal(0.95, 0.25), 0.3, 1.5)),
        sway=float(random.normal(1.0, 0.3)),
        stoop=float(abs(random.normal(0.02, 0.02)) + (0.05 if group == "old" else 0)),
        elbow=float(np.clip(random.normal(0.16, 0.12), 0.0, 0.6)),
        turnout=float(random.normal(0.09, 0.05)),
        tempo=float(random.normal(1.0, 0.08)),
    )
    tone = int(draw("skin_tone").integers(1, 11))
    return {
        "sex": sex,
        "age_group": group,
        "skin_tone": tone,
        "shape": shape,
        "gait": vars(gait),
        "eyes": EYES[int(draw("eyes").integers(len(EYES)))],
    }


def _clothes(draw: _Streams, wardrobe: dict, sex: str) -> dict:
    bottoms = {
        k: w
        for k, w in wardrobe["bottoms"].items()
        if sex == "female" or not ("skirt" in k or k in ("leggings", "short shorts"))
    }
    top, bottom = draw.pick("top", wardrobe["tops"]), draw.pick("bottom", bottoms)
    patterns = {"plain": 8, "stripes": 1.4, "checks": 1, "blocks": 1, "print": 1.8, "camouflage": 0.2}
    if top in ("jacket", "parka"):
        patterns = {"plain": 4, "open": 3, "blocks": 1}
    elif top == "shirt":
        patterns = {"plain": 3, "checks": 3, "pinstripes": 2}
    legs = {"plain": 9, "pinstripes": 0.4, "camouflage": 0.3, "checks": 0.4}
    denim = bottom in ("jeans", "shorts") and (bottom == "jeans" or draw("denim").random() < 0.3)
    jeans = draw("jeans")
    hair = draw.pick("haircut", HAIRCUTS[sex])
    hat = draw("hat").random() < wardrobe["hats"]
    if hat:
        hair = draw.pick("hat kind", {"cap": 1, "beanie": 1})
    bag = draw("bag").random() < wardrobe["bag"]
    return {
        "top": {
            "kind": top,
            "pattern": draw.pick("top pattern", patterns),
            "colour": draw.colour("top colour", wardrobe["bright"]),
            "second": draw.colour("top second", 0.5),
        },
        "bottom": {
            "kind": bottom,
            "pattern": "denim" if denim else draw.pick("bottom pattern", legs),
            "colour": _hex(jitter(hex_colour(DENIM[jeans.integers(len(DENIM))]), jeans))
            if denim
            else draw.colour("bottom colour", 0.4 * wardrobe["bright"]),
            "second": draw.colour("bottom second", 0.2),
        },
        "shoes": {
            "kind": draw.pick("shoes", wardrobe["shoes"]),
            "colour": draw.colour("shoe colour", 0.15),
            "sole": draw.pick("sole", {"#e8e6e0": 3, "#1a1a1a": 3, "#8a6b4a": 1}),
        },
        "hair": {
            "kind": hair,
            "colour": draw.pick("hair colour", HAIR_COLOURS),
            "cloth": draw.colour("hat colour", 0.4),
        },
        "bag": {"kind": "backpack", "colour": draw.colour("bag colour", 0.3)} if bag else None,
    }


def _alike(a: dict, b: dict) -> bool:
    """Whether two outfits could be taken for one another: same kinds, same patterns, close colours."""
    if bool(a["bag"]) != bool(b["bag"]) or a["hair"]["kind"] != b["hair"]["kind"]:
        return False
    for slot in ("top", "bottom"):
        if a[slot]["kind"] != b[slot]["kind"] or a[slot]["pattern"] != b[slot]["pattern"]:
            return False
        if np.linalg.norm(hex_colour(a[slot]["colour"]) - hex_colour(b[slot]["colour"])) > 0.15:
            return False
    return True
