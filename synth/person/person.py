"""A person to be rendered: one mesh of skin, garments, shoes, hair and what is carried, with its texture.

`build(look)` takes the resolved look (see `identity`) and never samples; `pose(person, rotations)` takes 5-10 ms.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from opengspr.randomness import rng
from synth.geometry import Outline
from synth.motion import Gait, free_hand, joint_rotations, rotation
from synth.person import details, shoes
from synth.person.assets import Asset
from synth.person.bags import BAGS, aside, paint_bag
from synth.person.basemesh import base_mesh
from synth.person.body import bone_transforms, joints, skin
from synth.person.garments import BOTTOMS, OUTERS, TOPS, Garment
from synth.person.hair import hair_parts, paint_hair
from synth.person.haircuts import HAIR, roots, under_hair
from synth.person.head import eyes, face_places, paint_face, skin_part
from synth.person.headwear import HATS
from synth.person.outfits import asset_part, heights, paint_item, put_on, under, worn_items
from synth.person.parts import HAIR as HAIR_LAYER
from synth.person.parts import SKIN, Part
from synth.person.patterns import weave
from synth.person.props import Load, phone, pockets, umbrella
from synth.person.reach import Goal, Point, carried_to, reach
from synth.person.surface import Hull
from synth.person.tailor import sew
from synth.person.textures import LEG_M, SLEEVE_HIGH_M, SLEEVE_LOW_M, SLEEVE_M, TRUNK_M, Atlas, canvas, crease
from synth.person.tiers import OURS, Tiers

KEYPOINTS = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()
TABLES: dict[str, dict[str, Any]] = {
    "top": TOPS,
    "bottom": BOTTOMS,
    "outer": OUTERS,
    "shoes": shoes.SHOES,
    "hair": HAIR,
    "hat": HATS,
    "bag": BAGS,
}
ONSET = 0.15  # of a thigh, over which what hangs begins to be pushed off it
THICK_HAIR_M = 0.03  # a phone is not held farther than this from an ear
POCKETS = {"hoodie", *OUTERS} - {"work vest"}
POCKETS |= {kind for kind, garment in BOTTOMS.items() if garment.skirt_m is None and kind != "leggings"}


@dataclass(frozen=True)
class Finish:
    """What a person's surface looks like.

    Attributes:
        uv: (F, 3, 2) corners in the atlas. colour: (N, 3) linear, multiplies the texture. roughness: (N,).
        atlas: (S, S, 4) uint8, sRGB and relief.
    """

    uv: np.ndarray
    colour: np.ndarray
    roughness: np.ndarray
    atlas: np.ndarray


@dataclass(frozen=True)
class Person:
    """A built person; N vertices, F triangles, B bones.

    Attributes:
        vertices: (N, 3) float32 unposed, metres. weights: (N, B), sparse. faces: (F, 3).
        finish: half of the memory; None where a renderer has it and the person is only posed.
        heads: (B, 3) bone heads. marks: (17, 3) COCO keypoints unposed; mark_weights: (17, B).
        layer: (N,) 0 skin, garments from 1 outwards, hair and props above. covered: (N,) by an outer garment.
        clearance_m: (N,) how far off the legs what hangs is kept, else 0; leg_radii: (2,) of thigh and calf.
        plumb: (first, end, bone, point, on ground) of what hangs from a bone's point without turning with it.
        phone: (first, end, hand's side) of the phone, out of sight unless that hand is at the ear or reads.
        goals: where hands go that hold something, reach into a pocket or for the ear, by name.
        aside: how much farther out the left arm swings, past a bag at the hip, radians.
        drop_m: height of the foot's sole above the ground.
    """

    vertices: np.ndarray
    weights: csr_array
    faces: np.ndarray
    finish: Finish | None
    heads: np.ndarray
    marks: np.ndarray
    mark_weights: np.ndarray
    layer: np.ndarray
    covered: np.ndarray
    clearance_m: np.ndarray
    leg_radii: np.ndarray
    plumb: tuple[tuple[int, int, str, Point, bool], ...]
    phone: tuple[int, int, str]
    goals: dict[str, Goal]
    aside: float
    drop_m: float

    @cached_property
    def outline(self) -> Outline:
        """Draws the silhouettes."""
        return Outline(self.faces)


def record(slot: str, look: dict) -> Any:
    """The record that a look names in a slot, or None. Raises ValueError for one that does not exist."""
    if look.get(slot) is None:
        return None
    kind = look[slot]["kind"]
    if kind not in TABLES[slot]:
        raise ValueError(f"{slot}: got {kind!r}, wanted one of {', '.join(TABLES[slot])}")
    return TABLES[slot][kind]


def worn(look: dict) -> list[tuple[str, Garment]]:
    """The slots of the garments, from the innermost to the outermost, and their records."""
    order = ("top", "bottom", "outer") if look["tucked"] else ("bottom", "top", "outer")
    return [(slot, garment) for slot in order if (garment := record(slot, look)) is not None]


def build(look: dict, tiers: Tiers = OURS) -> Person:
    """The mesh and texture of a look. Raises ValueError for a garment that does not exist.

    Args:
        tiers: have the items that the look names (`assets`; our own clothes stay where one is lacking), and its body.
    """
    random = rng("build", look["world"], look["pid"])
    noise = random.uniform(0, 2 * np.pi, 3)
    body = tiers.body(look)
    known = {slot: record(slot, look) for slot in TABLES}
    items = worn_items(look, tiers.pack)
    parts, hull = _dressed(look, body, noise, items)
    cloth = np.concatenate([hull.at, *(part.vertices for part in parts if part.layer)])
    own = {**look, "hair": {**look["hair"], "kind": "bald"}} if "hair" in items else look
    parts += hair_parts(own, body, cloth[cloth[:, 2] > hull.height(1.05)], noise)
    parts += [asset_part(items[kind], look, body) for kind in ("hair", "hat") if kind in items]
    drop_m = -items["shoes"].on(body)[:, 2].min() if "shoes" in items else shoes.drop_m(known["shoes"])
    return _assemble(look, body, parts, hull, float(drop_m), _atlas(look, random, items))


def _load(look: dict, hull: Hull, parts: list[Part], marks: np.ndarray) -> Load:
    """All that somebody in these parts carries; the phone is the last of its parts. Args: marks: (17, 3) keypoints."""
    head = np.concatenate([part.vertices for part in parts if part.layer == SKIN or part.layer >= HAIR_LAYER])
    loads = [record("bag", look)(look["bag"], hull)] if look["bag"] else []
    if look["umbrella"]:
        loads.append(umbrella(look["umbrella"], hull, float(head[:, 2].max())))
    side = free_hand(_holds(look))
    ear = marks[KEYPOINTS.index("left_ear" if side == "l" else "right_ear")]
    near = np.hypot(*(head - ear)[:, 1:].T) < 0.03
    out = np.clip((head[near, 0] * np.sign(ear[0])).max() - abs(ear[0]), 0, THICK_HAIR_M)
    mine, goals = phone(look["phone"], hull, side, ear + [np.sign(ear[0]) * out, 0, 0])
    return Load(
        [part for load in loads for part in load.parts] + [mine],
        [item for load in loads for item in load.carried],
        pockets(hull) | goals | {name: goal for load in loads for name, goal in load.goals.items()},
        next((load.box for load in loads if load.box is not None), None),
    )


def _dressed(look: dict, body: np.ndarray, noise: np.ndarray, items: dict[str, Asset]) -> tuple[list[Part], Hull]:
    shoe = None if "shoes" in items else record("shoes", look)
    garments = [] if "suit" in items else [(slot, _in_shafts(garment, shoe)) for slot, garment in worn(look)]
    records = tuple(garment for _, garment in garments)
    hiding = tuple(items[kind] for kind in ("suit", "shoes") if kind in items)
    hidden = under_hair("bald" if "hair" in items else look["hair"]["kind"], look["hat"] and look["hat"]["kind"])
    parts = [skin_part(look, body, records, shoe, hiding, hidden), *eyes(look, body)]
    hull = Hull(body)
    for k, (slot, garment) in enumerate(garments):
        parts += sew(garment, hull, slot, k + 1, records[k + 1 :], noise)
    lowest = min((garment.hem_m for garment in records if garment.hem_m < 0.2), default=9.0)
    if "suit" in items:
        parts.append(asset_part(items["suit"], look, body))
        put_on(parts[-1], hull)
        lowest = float(heights(items["suit"]).min())
    if shoe is None:
        hem = min([lowest, *(garment.hem_m for garment in records)])
        parts.append(under(asset_part(items["shoes"], look, body), items["shoes"], hem))
    else:
        shaft_top = float(hull.height(min(shoe.shaft_m or 0.0, lowest + 0.04))) if shoe.shaft_m else 0.0
        parts += shoes.shoe_parts(look["shoes"], shoe, body, hull.at, shaft_top)
    return parts, hull


def _in_shafts(garment: Garment, shoe: shoes.Shoe | None) -> Garment:
    """A garment, or narrow trousers as they are worn in boots: ending inside the shafts."""
    if (
        shoe is None
        or shoe.shaft_m is None
        or garment.hem_m > 0.2
        or garment.leg_m > (0.07 if shoe.shaft_m > 0.3 else 0.06)
    ):
        return garment
    return replace(garment, hem_m=shoe.shaft_m - 0.05, leg_m=0.0, cinch=True)


def _assemble(look: dict, body: np.ndarray, parts: list[Part], hull: Hull, drop_m: float, atlas: np.ndarray) -> Person:
    marks, mark_weights = keypoints(body)
    load = _load(look, hull, parts, marks)
    parts = parts + load.parts
    every = parts + [item.part for item in load.carried]
    starts = np.cumsum([0] + [len(part.vertices) for part in every])
    plumb = tuple(
        (int(start), int(start + len(item.part.vertices)), item.bone, item.at, item.on_ground)
        for item, start in zip(load.carried, starts[len(parts) :], strict=False)
    )
    covered = [np.zeros(len(p.vertices), bool) if p.covered is None else p.covered for p in every]
    clearance_m = [np.zeros(len(p.vertices)) if p.clearance_m is None else p.clearance_m for p in every]
    return Person(
        vertices=np.concatenate([p.vertices for p in every]).astype(np.float32),
        weights=_sparse(np.concatenate([p.weights.astype(np.float32) for p in every])),
        faces=np.concatenate([p.faces + start for p, start in zip(every, starts, strict=False)]).astype(np.int32),
        finish=Finish(
            np.concatenate([p.uv for p in every]).astype(np.float32),
            np.concatenate([p.colour for p in every]).astype(np.float32),
            np.concatenate([np.full(len(p.vertices), p.roughness, np.float32) for p in every]),
            atlas,
        ),
        heads=joints(body),
        marks=marks,
        mark_weights=mark_weights,
        layer=np.concatenate([np.full(len(p.vertices), p.layer) for p in every]),
        covered=np.concatenate(covered),
        clearance_m=np.concatenate(clearance_m),
        leg_radii=_leg_radii(hull),
        plumb=plumb,
        phone=(int(starts[len(parts) - 1]), int(starts[len(parts)]), free_hand(_holds(look))),
        goals=load.goals,
        aside=0.0 if load.box is None else aside(hull, load.box, Gait(**look["gait"])),
        drop_m=drop_m,
    )


def _sparse(dense: np.ndarray) -> csr_array:
    """What scipy makes of a matrix (N, B), in half the time."""
    there = dense != 0
    at = np.flatnonzero(there)
    ends = np.concatenate([[0], np.cumsum(np.count_nonzero(there, axis=1))])
    return csr_array((dense.ravel()[at], (at % dense.shape[1]).astype(np.int32), ends.astype(np.int32)), dense.shape)


def _leg_radii(hull: Hull) -> np.ndarray:
    """Radii (2,) of thigh and calf with what is worn on them."""
    mesh, at = base_mesh(), hull.at
    hip, knee, ankle = (hull.heads[mesh.bone(f"{bone}_l")] for bone in ("thigh", "calf", "foot"))
    out = []
    for upper, lower in ((hip, knee), (knee, ankle)):
        middle = (upper + lower) / 2
        near = at[(np.abs(at[:, 2] - middle[2]) < 0.02) & (at[:, 0] > 0) & (np.abs(at[:, 0] - middle[0]) < 0.14)]
        out.append(np.percentile(np.linalg.norm((near - middle)[:, :2], axis=1), 90))
    return np.array(out)


def _holds(look: dict) -> tuple[str, ...]:
    """The kinds of what somebody carries."""
    return tuple(kind for kind in (look["bag"] and look["bag"]["kind"], look["umbrella"] and "umbrella") if kind)


def possible(look: dict, action: str) -> str:
    """The action, or what somebody does instead: walk, without pockets in what is outermost at the hip, or with a
    suitcase at their heels.
    """
    at_hip = look["outer"] or (look["tucked"] and look["bottom"]) or look["top"]
    hindered = (action == "pockets" and at_hip["kind"] not in POCKETS) or (
        action == "run" and "suitcase" in _holds(look)
    )
    return "walk" if hindered else action


def stance(look: dict, action: str, phase: float) -> dict[str, np.ndarray]:
    """The joint rotations of a person in a possible action, with their own gait and what they carry."""
    return joint_rotations(Gait(**look["gait"]), phase, possible(look, action), _holds(look))


def settled(person: Person, rotations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rotations as this body takes them: hands where they reach for something, an arm beside a bag."""
    aside = {**rotations, "upperarm_l": rotation(y=-person.aside) @ rotations["upperarm_l"]}
    return reach(person.heads, aside, person.goals)


def pose(person: Person, rotations: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Posed vertices (N, 3) and keypoints (17, 3), standing on z = 0 at the origin, looking along -y."""
    transforms = bone_transforms(person.heads, settled(person, rotations))
    vertices = skin(person.vertices, person.weights, transforms)
    marks = skin(person.marks, person.mark_weights, transforms)
    placed = np.einsum("bij,bj->bi", transforms[:, :, :3], person.heads) + transforms[:, :, 3]
    first, end, side = person.phone
    if not {f"ear_{side}", f"read_{side}"} & {*rotations}:
        vertices[first:end] = placed[0]  # inside the body
    hanging = np.flatnonzero(person.clearance_m)
    if len(hanging):
        vertices[hanging] = _off_the_legs(vertices[hanging], placed, person.leg_radii, person.clearance_m[hanging])
    still = np.ones(len(vertices), bool)
    for first, end, *_ in person.plumb:
        still[first:end] = False
    ground = np.array([0.0, 0.0, vertices[still, 2].min()])
    for first, end, bone, at, on_ground in person.plumb:
        x, y, z = carried_to(transforms, bone, at)
        own = person.vertices[first:end]
        vertices[first:end] = own * [1, 1, z - ground[2]] + [x, y, ground[2]] if on_ground else own + [x, y, z]
    return vertices - ground, marks - ground


def _off_the_legs(vertices: np.ndarray, placed: np.ndarray, radii: np.ndarray, clearance_m: np.ndarray) -> np.ndarray:
    """Pushes hanging cloth (K, 3) sideways out of the legs."""
    mesh = base_mesh()
    out = vertices.copy()
    for side in "lr":
        chain = placed[[mesh.bone(f"{bone}_{side}") for bone in ("thigh", "calf", "foot")]]
        for (a, b), radius in zip(((chain[0], chain[1]), (chain[1], chain[2])), radii, strict=True):
            t = np.clip(((out - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1)
            away = (out - a - t[:, None] * (b - a))[:, :2]
            distance = np.linalg.norm(away, axis=1) + 1e-9
            short = np.maximum(radius + clearance_m - distance, 0) * np.clip(t / ONSET, 0, 1)
            out[:, :2] += away / distance[:, None] * short[:, None]
    return out


def _atlas(look: dict, random: np.random.Generator, items: dict[str, Asset]) -> np.ndarray:
    """The texture of a look, (SIZE, SIZE, 4) uint8."""
    atlas = Atlas()
    for slot, garment in [] if "suit" in items else worn(look):
        mine = look[slot]
        variant = int(mine["folds"])
        if garment.neck_m is not None:
            low = min(garment.hem_m, garment.skirt_m or 9.0) - 0.02
            c = canvas(slot, TRUNK_M, low, 1.54)
            weave(c, mine, random, TRUNK_M, True)
            details.sew_on(c, mine, garment.hem_m)
            crease(c, garment.folds, "trunk", variant, TRUNK_M)
            atlas.put(slot, c)
            if garment.sleeve_m is not None and garment.sleeve_m > 0:
                c = canvas(f"{slot} sleeve", SLEEVE_M, SLEEVE_LOW_M, SLEEVE_HIGH_M)
                weave(c, mine, random, SLEEVE_M, False)
                details.sew_on_sleeve(c, mine, garment.sleeve_m, garment.cinch)
                crease(c, garment.folds, "sleeve", variant, SLEEVE_M)
                atlas.put(f"{slot} sleeve", c)
        elif garment.skirt_m is not None:
            c = canvas(slot, TRUNK_M, 0.0, 1.06)
            weave(c, mine, random, TRUNK_M, False)
            crease(c, garment.folds, "leg", variant, TRUNK_M)
            atlas.put(slot, c)
        else:
            assert garment.waist_m is not None
            c = canvas(f"{slot} left", LEG_M, 0.0, 1.06)
            weave(c, mine, random, LEG_M, False)
            details.sew_on_legs(c, mine, garment.waist_m, look["belt"])
            for k, side in enumerate(("left", "right")):
                leg = replace(c, albedo=c.albedo.copy(), relief=c.relief.copy())
                crease(leg, garment.folds, "leg", variant + 2 * k, LEG_M)
                atlas.put(f"{slot} {side}", leg)
    hair = HAIR["crew"] if "hair" in items else record("hair", look)
    atlas.put("face", paint_face(look, None if hair is None else roots(hair, face_places())))
    atlas.put("hair", paint_hair(hair, look["hair"]["variant"]))
    atlas.put("shoes", shoes.paint_shoes(look["shoes"], record("shoes", look)))
    if look["bag"]:
        atlas.put("bag", paint_bag(look["bag"]))
    if look["hat"]:
        c = canvas("hat", 0.6, 0.0, 1.0)
        details.sew_on_hat(c, look["hat"])
        atlas.put("hat", c)
    for kind, item in items.items():
        painted = paint_item(item)
        if painted is not None:
            atlas.put(kind, painted)
    return atlas.pixels


def keypoints(body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """COCO's keypoints (17, 3) of an unposed body (19158, 3), and the bones' weights in them (17, B)."""
    mesh = base_mesh()
    heads, eyes_ = joints(body), {s: body[np.unique(mesh.faces[f"helper-{s}-eye"])].mean(0) for s in "lr"}
    skin_ = body[: mesh.faces["body"].max() + 1]
    face = skin_[
        (skin_[:, 2] > eyes_["l"][2] - 0.06) & (skin_[:, 2] < eyes_["l"][2] - 0.01) & (np.abs(skin_[:, 0]) < 0.01)
    ]
    side = skin_[np.abs(skin_[:, 2] - eyes_["l"][2] + 0.01) < 0.02]
    points = [face[face[:, 1].argmin()], eyes_["l"], eyes_["r"], side[side[:, 0].argmax()], side[side[:, 0].argmin()]]
    bones = ["head"] * 5
    for bone in ("upperarm", "lowerarm", "hand", "thigh", "calf", "foot"):
        for s in "lr":
            bones.append(f"{bone}_{s}")
            points.append(heads[mesh.bone(bones[-1])])
    weights = np.zeros((17, len(mesh.bones)))
    weights[np.arange(17), [mesh.bone(b) for b in bones]] = 1
    return np.array(points), weights
