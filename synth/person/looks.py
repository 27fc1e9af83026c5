"""What a person is like and wears, drawn attribute by attribute."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from opengspr.randomness import rng
from synth.motion import Gait
from synth.person import palettes as p
from synth.person import wardrobe as w
from synth.person.assets import Pack
from synth.person.body import DETAILS
from synth.person.colours import hex_colour, jitter, to_hex
from synth.person.palettes import Weights
from synth.person.wardrobe import Wardrobe


class Streams:
    """Random choices of one person, a stream for each attribute."""

    def __init__(self, *key: object):
        self.key = key

    def __call__(self, attribute: str) -> np.random.Generator:
        return rng(*self.key, attribute)

    def pick(self, attribute: str, table: Mapping[str, float]) -> str:
        names, weights = list(table), np.array(list(table.values()), float)
        return names[int(self(attribute).choice(len(names), p=weights / weights.sum()))]

    def colour(self, attribute: str, *palettes: tuple[float, Weights]) -> str:
        """A colour near one of a palette's; palettes with their shares."""
        random = self(attribute)
        shares = np.array([share for share, _ in palettes])
        _, palette = palettes[int(random.choice(len(palettes), p=shares / shares.sum()))]
        weights = np.array(list(palette.values()))
        base = list(palette)[int(random.choice(len(palette), p=weights / weights.sum()))]
        return to_hex(jitter(hex_colour(base), random))

    def yes(self, attribute: str, share: float) -> bool:
        return bool(self(attribute).random() < share)


def body_of(draw: Streams) -> dict:
    """Sex, age, build, face, skin, gait and phone: what stays when clothes change."""
    sex = "male" if draw.yes("sex", 0.5) else "female"
    group = draw.pick("age_group", {"child": 0.06, "young": 0.37, "middle": 0.37, "old": 0.2})
    low, high = {"child": (10, 14), "young": (17, 30), "middle": (31, 55), "old": (56, 80)}[group]
    age = float(draw("age").uniform(low, high))
    mean, sd = (1.76, 0.07) if sex == "male" else (1.63, 0.065)
    height = float(np.clip(draw("height").normal(mean, sd), mean - 2.5 * sd, mean + 2.5 * sd))
    if group == "child":
        height *= 0.79 + 0.045 * (age - 10)
    random = draw("build")
    weight = float(np.clip(random.normal(0.53, 0.17), 0.10, 1.0))
    shape = {
        "male": float(np.clip((0.92 if sex == "male" else 0.06) + random.normal(0, 0.05), 0, 1)),
        "age_years": age,
        "muscle": float(np.clip(random.normal(0.52 if sex == "male" else 0.45, 0.13), 0.1, 0.9)),
        "weight": weight,
        "height_m": height,
        "stature": float(np.clip(random.normal(0, 0.3), -0.8, 0.8)),
        "ideal": float(random.uniform(0.2, 0.8)),
        "origin": [float(x) for x in random.dirichlet([0.7, 0.7, 0.7])],
        "details": [[name, float(np.clip(draw(name).normal(0, 0.35), -0.9, 0.9))] for name in DETAILS],
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
        spread=float(0.07 + 0.22 * max(0.0, weight - 0.4) + abs(random.normal(0, 0.03))),
    )
    random = draw("face")
    return {
        "sex": sex,
        "age_group": group,
        "skin_tone": int(draw("skin_tone").integers(1, 11)),
        "shape": shape,
        "gait": vars(gait),
        "eyes": draw.pick("eyes", p.EYES),
        "phone": {"colour": draw.pick("phone colour", p.PHONES)},
        "face": {
            "flush": float(random.uniform(0, 0.6)),
            "shade": float(random.uniform(0, 0.6)),
            "lips": float(random.uniform(0.2, 0.6) if sex == "male" else random.uniform(0.3, 1.0)),
            "brow": float(random.uniform(0, 1) + (0.5 if sex == "male" else -0.2)),
            "brow_lift": float(random.normal(0, 0.5)),
            "freckles": float(max(0.0, random.normal(0, 0.6))),
            "stubble": float(random.uniform(0.1, 0.8))
            if sex == "male" and group != "child" and random.random() < 0.55
            else 0.0,
        },
        "hair_colour": draw.pick("grey", p.GREY_HAIR)
        if draw.yes("greys", {"old": 0.75, "middle": 0.12}.get(group, 0.0))
        else draw.pick("hair colour", p.HAIR_COLOURS),
    }


def _suits(kind: str, body: dict) -> float:
    """Factor of a garment's weight for a person."""
    if body["age_group"] == "child" and kind in w.NOT_FOR_CHILDREN:
        return 0.0
    if body["sex"] == "male":
        return w.SHARE_OF_MEN.get(kind, 0.0 if kind in w.ONLY_WOMEN else 1.0)
    return 1.0


def _for(table: Weights, body: dict) -> Weights:
    return {kind: weight * _suits(kind, body) for kind, weight in table.items() if weight * _suits(kind, body) > 0}


def _garment(draw: Streams, slot: str, kind: str, bright: float) -> dict:
    pattern = draw.pick(f"{slot} pattern", w.PATTERNS_OF[kind])
    if kind == "leather jacket":
        main = draw.colour(f"{slot} colour", (1, p.LEATHER))
    elif pattern == "denim":
        main = draw.colour(f"{slot} colour", (1, p.DENIM))
    elif kind == "work vest":
        main = draw.pick(f"{slot} colour", {"#d9e021": 2, "#f07f1d": 1})
    else:
        main = draw.colour(f"{slot} colour", (1 - bright, p.MUTED), (bright, p.BRIGHT))
    return {
        "kind": kind,
        "pattern": pattern,
        "colour": main,
        "second": draw.colour(f"{slot} second", (0.55, p.MUTED), (0.45, p.BRIGHT)),
        "third": draw.colour(f"{slot} third", (0.5, p.MUTED), (0.5, p.BRIGHT)),
        "trim": draw.yes(f"{slot} trim", 0.3),
        "folds": int(draw(f"{slot} folds").integers(1000)),
    }


def clothes_of(draw: Streams, wardrobe: Wardrobe, body: dict, pack: Pack) -> dict[str, Any]:
    """Clothes, shoes, hair, and what is worn and carried with them."""
    clothes = _garments(draw, wardrobe, body)
    hair = draw.pick("haircut", _for(w.HAIRCUTS[body["sex"]], body))
    if hair in ("bald", "receding") and body["age_group"] == "child":
        hair = "short"
    bearded = body["face"]["stubble"] > 0 and draw.yes("beard", 0.35)
    masks = {"#e9edf0": 3, "#8fb9d6": 3, "#1b1b1d": 3, "#6d7076": 1}
    clothes |= {
        "hair": {"kind": hair, "colour": body["hair_colour"], "variant": int(draw("hair variant").integers(8))},
        "beard": {"length_m": float(draw("beard length").uniform(0.004, 0.014))} if bearded else None,
        "glasses": _glasses(draw, body),
        "mask": {"colour": draw.pick("mask colour", masks)} if draw.yes("mask", wardrobe.mask) else None,
        "shoes": _shoes(draw, draw.pick("shoes", _for(wardrobe.shoes, body))),
        "hat": _hat(draw, draw.pick("hat", _for(wardrobe.hats, body)), clothes),
    }
    bag = draw.pick("bag", _for(wardrobe.bags, body))
    clothes["bag"] = _bag(draw, bag) if bag else None
    clothes["umbrella"] = None
    if bag not in ("handbag", "suitcase") and draw.yes("umbrella", wardrobe.umbrella):
        clothes["umbrella"] = {
            "colour": draw.colour("umbrella colour", (0.65, p.MUTED), (0.35, p.BRIGHT)),
            "second": draw.colour("umbrella second", (0.5, p.MUTED), (0.5, p.BRIGHT)),
            "trim": draw.yes("umbrella trim", 0.2),
        }
    if pack:
        clothes["assets"] = _items(draw, pack, body, clothes)
    return clothes


def _garments(draw: Streams, wardrobe: Wardrobe, body: dict) -> dict[str, Any]:
    bright = wardrobe.bright + (0.15 if body["age_group"] == "child" else 0.0)
    top = draw.pick("top", _for(wardrobe.tops, body))
    dress = top in w.DRESSES
    bottom = draw.pick("under dress", w.UNDER_DRESS) if dress else draw.pick("bottom", _for(wardrobe.bottoms, body))
    outers = _for(wardrobe.outers, body)
    if top == "hoodie":
        outers = {kind: weight for kind, weight in outers.items() if kind not in ("zip hoodie", "blazer", "cardigan")}
    outer = draw.pick("outer", outers)
    tucked = (
        not dress
        and top not in ("hoodie", "sweater", "loose tshirt")
        and draw.yes("tucked", wardrobe.tucked + 0.35 * ("skirt" in bottom))
    )
    if outer == "blazer" and top in ("shirt", "blouse"):
        tucked = not dress
    looped = bottom in ("trousers", "jeans", "slim jeans", "shorts", "wide trousers")
    belted = tucked and looped and draw.yes("belt", 0.7)
    below = (0.25 if "skirt" not in bottom else 0.8) * bright
    return {
        "top": _garment(draw, "top", top, bright),
        "outer": _garment(draw, "outer", outer, 0.7 * bright) if outer else None,
        "bottom": _garment(draw, "bottom", bottom, below) if bottom else None,
        "tucked": tucked,
        "belt": draw.colour("belt colour", (1, p.LEATHER)) if belted else None,
    }


def _shoes(draw: Streams, kind: str) -> dict[str, Any]:
    palette = p.LEATHER if kind in ("leather shoes", "loafers", "boots", "high boots", "sandals") else p.SHOE_COLOURS
    return {
        "kind": kind,
        "colour": draw.colour("shoe colour", (1, palette)),
        "second": draw.colour("shoe second", (0.6, p.SHOE_COLOURS), (0.4, p.BRIGHT)),
        "sole": draw.pick("sole", p.SOLES if palette is p.SHOE_COLOURS else {"#161311": 3, "#3b281a": 1}),
        "trim": draw.yes("shoe trim", 0.5),
        "stripes": int(draw("shoe stripes").integers(0, 4)),
        "pale_laces": draw.yes("laces", 0.55),
    }


def _hat(draw: Streams, kind: str, clothes: dict) -> dict[str, Any] | None:
    """A hat; a hood only where there is one on what is worn, in its colour."""
    colour = draw.colour("hat colour", (0.7, p.MUTED), (0.3, p.BRIGHT))
    if kind == "hood":
        outermost = clothes["outer"] or clothes["top"]
        kind = kind if outermost["kind"] in ("parka", "zip hoodie", "hoodie") else ""
        colour = outermost["colour"]
    if not kind:
        return None
    second = draw.colour("hat second", (1, p.BRIGHT))
    return {"kind": kind, "colour": colour, "second": second, "trim": draw.yes("hat trim", 0.3)}


def _bag(draw: Streams, kind: str) -> dict[str, Any]:
    cloth, leather = (
        ((0.75, p.MUTED), (0.25, p.BRIGHT)),
        ((0.5, p.LEATHER), (0.35, p.MUTED), (0.15, p.BRIGHT)),
    )
    return {
        "kind": kind,
        "colour": draw.colour("bag colour", *(cloth if kind in ("backpack", "suitcase") else leather)),
        "second": draw.colour("bag second", (0.7, p.MUTED), (0.3, p.BRIGHT)),
        "trim": draw.yes("bag trim", 0.4),
        "large": draw.yes("bag large", 0.5),
    }


def _items(draw: Streams, pack: Pack, body: dict, clothes: dict) -> dict[str, str | None]:
    """Names of the items of a pack that a person wears, by kind; a hat or hood of ours stays, with the hair."""

    def pick(kind: str) -> str | None:
        names = [name for name, item in pack.items() if item.kind == kind and item.sex in (None, body["sex"])]
        if not names or not draw.yes(f"asset {kind}", w.ASSETS[kind]):
            return None
        return names[int(draw(f"which asset {kind}").integers(len(names)))]

    own, hood = clothes["hair"]["kind"], clothes["hat"] is not None and clothes["hat"]["kind"] == "hood"
    suit = None if hood else pick("suit")
    if suit is None and clothes["outer"] is not None:  # with our own layers it would be too many triangles
        return dict.fromkeys(w.ASSETS)
    hair = pick("hair") if clothes["hat"] is None and own not in ("bald", "receding") else None
    hat = pick("hat") if clothes["hat"] is hair is None and own in w.UNDER_ASSET_HATS else None
    return {"suit": suit, "shoes": pick("shoes"), "hair": hair, "hat": hat}


def _glasses(draw: Streams, body: dict) -> dict | None:
    share = {"child": 0.08, "young": 0.2, "middle": 0.25, "old": 0.45}[body["age_group"]]
    if not draw.yes("glasses", share):
        return None
    return {
        "colour": draw.pick("glasses colour", {"#141414": 5, "#4a3220": 2, "#8b8b8d": 2}),
        "dark": draw.yes("sunglasses", 0.2),
    }
