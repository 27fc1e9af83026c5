"""Identities: who exists in a world and what they wear.

Every attribute comes from its own random stream, named by (seed, world, attribute, pid), so no attribute depends on
another's draws and identity k never depends on how many people follow it. Clothes are drawn again when an earlier
person looks too much alike.
"""

from collections.abc import Iterator

import numpy as np

from synth.person.assets import Pack
from synth.person.colours import ciede2000, hex_colour, lab
from synth.person.looks import Streams, body_of, clothes_of
from synth.person.smplx_bodies import BETAS
from synth.person.tiers import OURS, Tiers
from synth.person.wardrobe import WARDROBES, Wardrobe

TRIES = 60
VARIATIONS = 12  # at most, as in the GTA V collector
ALIKE = 10.0  # CIEDE2000 below which two colours pass for the same


class Crowd:
    """Everybody so far, to be told apart from."""

    def __init__(self) -> None:
        self.outfits: dict[tuple, list[tuple[np.ndarray, np.ndarray]]] = {}

    def has_one_like(self, clothes: dict) -> bool:
        top, bottom = colours(clothes)
        return any(
            ciede2000(top, a) < ALIKE and ciede2000(bottom, b) < ALIKE for a, b in self.outfits.get(kinds(clothes), [])
        )

    def add(self, clothes: dict) -> None:
        self.outfits.setdefault(kinds(clothes), []).append(colours(clothes))


def kinds(look: dict) -> tuple:
    """All by which outfits are told apart but their colours: garments, patterns, hair or hat, what is carried."""
    worn = [(look[s]["kind"], look[s]["pattern"]) if look[s] else None for s in ("top", "outer", "bottom")]
    items = look.get("assets") or {}
    hair = items.get("hat") or items.get("hair") or look["hair"]["kind"]
    return (
        *([_suit(look)] if _suit(look) else worn),
        look["hat"]["kind"] if look["hat"] else hair,
        look["bag"]["kind"] if look["bag"] else "",
    )


def attributes(look: dict) -> dict[str, str]:
    """What is seen of somebody, in words and colours (#rrggbb): for the truth. What is not worn is not there."""
    top, bottom, items = look["outer"] or look["top"], look["bottom"] or look["top"], look.get("assets") or {}
    worn = {"upper": top["kind"], "lower": bottom["kind"]}
    seen = {
        **(dict.fromkeys(worn, _suit(look)) if _suit(look) else worn),
        "upper_colour": top["colour"],
        "upper_pattern": top["pattern"],
        "lower_colour": bottom["colour"],
        "lower_pattern": bottom["pattern"],
        "hair": items.get("hair") or look["hair"]["kind"],
        "hat": items.get("hat") or (look["hat"] or {}).get("kind"),
        "bag": (look["bag"] or {}).get("kind"),
        "shoes": look["shoes"]["kind"],
        **{name: "yes" for name in ("glasses", "mask", "beard", "umbrella") if look[name]},
    }
    return {name: value for name, value in seen.items() if value}


def _suit(look: dict) -> str | None:
    """The outfit of an asset pack that replaces a look's garments."""
    return (look.get("assets") or {}).get("suit")


def colours(look: dict) -> tuple[np.ndarray, np.ndarray]:
    """L*a*b* of what is seen of the upper and the lower body."""
    top = look["top"] if _suit(look) else look["outer"] or look["top"]
    bottom = look["bottom"] or look["top"]
    return lab(hex_colour(top["colour"])), lab(hex_colour(bottom["colour"]))


def identities(
    world: str,
    wardrobe: str,
    count: int,
    seed: int,
    lookalikes: float = 0.0,
    variations: int = 1,
    tiers: Tiers = OURS,
) -> Iterator[dict]:
    """Looks of the first `count` people of a world, in pid order; a longer list begins with the same people.

    A look is a JSON-ready dict that holds every resolved parameter: `person.build` needs nothing else.

    Args:
        lookalikes: share of people who have a look-alike: two of the same sex in the same clothes, but for prints,
            trimmings, shoes, hair and what they carry. The second of them names the first (`like`).
        variations: appearances of each person, with other clothes, hair and things; the look holds what the further
            ones change (`variations`, see `appearance`).
        tiers: the looks then name items of an asset pack (`assets`, by kind), or have shapes of SMPL-X (`betas`).
    """
    if wardrobe not in WARDROBES:
        raise ValueError(f"wardrobe: got {wardrobe!r}, wanted one of {', '.join(WARDROBES)}")
    crowd, pack = Crowd(), tiers.pack
    single: dict[tuple, dict[int, dict]] = {}  # those without a look-alike, by sex and age
    for pid in range(count):
        draw = Streams(seed, world, pid)
        body = body_of(draw)
        if tiers.smplx:
            body["betas"] = [float(x) for x in draw("betas").normal(size=BETAS).clip(-2, 2)]
        group = (body["sex"], body["age_group"] == "child")
        others = single.setdefault(group, {})
        like = None
        if others and draw.yes("lookalike", lookalikes / 2):
            like = [*others][int(draw("like whom").integers(len(others)))]
        for attempt in range(TRIES):
            clothes = clothes_of(Streams(seed, world, pid, attempt), WARDROBES[wardrobe], body, pack)
            if like is not None:
                clothes |= _same_clothes(others[like], clothes)
            if not crowd.has_one_like(clothes):
                break
        crowd.add(clothes)
        if like is None:
            others[pid] = clothes
        else:
            del others[like]
        others_of = [
            _variation((seed, world, pid), k, WARDROBES[wardrobe], body, crowd, pack) for k in range(1, variations)
        ]
        yield {"world": world, "pid": pid, "like": like, **body, **clothes, "variations": others_of}


def _variation(person: tuple[int, str, int], k: int, wardrobe: Wardrobe, body: dict, crowd: Crowd, pack: Pack) -> dict:
    """The k-th further appearance of a person. Args: person: seed, world and pid."""
    for attempt in range(TRIES):
        clothes = clothes_of(Streams(*person, attempt, "variation", k), wardrobe, body, pack)
        if not crowd.has_one_like(clothes):
            break
    crowd.add(clothes)
    return clothes


def appearance(look: dict, variation: int) -> dict:
    """The look that a person wears in one of their appearances."""
    return look if variation == 0 else {**look, **look["variations"][variation - 1]}


def _same_clothes(model: dict, own: dict) -> dict:
    """The clothes of another, with one's own trimmings."""
    taken = {slot: model[slot] and {**model[slot], **_trimmings(own[slot])} for slot in ("top", "outer", "bottom")}
    if "assets" in own:
        suit = model["assets"]["suit"]
        taken["assets"] = {**own["assets"], "suit": suit} if suit else dict.fromkeys(own["assets"])
    return {**taken, "tucked": model["tucked"], "belt": model["belt"]}


def _trimmings(garment: dict | None) -> dict:
    return {name: garment[name] for name in ("second", "third", "trim", "folds")} if garment else {}
