"""A person to be rendered: one mesh of skin, garments, shoes and hair in terms of the base mesh, with its texture.

`build(look)` takes the resolved look (see `identity`) and never samples; `pose(person, rotations)` takes 5-10 ms.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.motion import rotation
from synth.person import garments, textures
from synth.person.basemesh import base_mesh
from synth.person.body import Shape, bone_transforms, joints, shape_vertices, skin
from synth.person.pieces import Piece, normals, smooth, template, whole
from synth.randomness import rng

MONK = "#f6ede4 #f3e7db #f7ead0 #eadaba #d7bd96 #a07e56 #825c43 #604134 #3a312a #292420".split()
KEYPOINTS = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()


@dataclass(frozen=True)
class Person:
    """A built person; N vertices, F triangles, B bones.

    Attributes:
        vertices: (N, 3) unposed, metres. weights: (N, B). faces: (F, 3).
        uv: (F, 3, 2) corners in the atlas. colour: (N, 3) linear, multiplies the texture. roughness: (N,).
        atlas: (S, S, 3) uint8 sRGB. heads: (B, 3) bone heads. marks: (17, 3) COCO keypoints unposed; mark_weights:
            (17, B).
    """

    vertices: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    colour: np.ndarray
    roughness: np.ndarray
    atlas: np.ndarray
    heads: np.ndarray
    marks: np.ndarray
    mark_weights: np.ndarray


@dataclass
class _Part:
    vertices: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    colour: np.ndarray
    roughness: float


def _part(
    piece: Piece, vertices: np.ndarray, colour: np.ndarray, roughness: float, uv: np.ndarray | None = None
) -> _Part:
    if uv is None:
        uv = np.broadcast_to(textures.tile_uv("white", np.array(0.5), np.array(0.5)), (*piece.faces.shape, 2))
    colour = np.broadcast_to(textures.linear(colour), (len(vertices), 3))
    return _Part(vertices, piece.of(base_mesh().weights), piece.faces, uv, colour, roughness)


def shape_of(look: dict) -> Shape:
    return Shape(**{**look["shape"], "origin": tuple(look["shape"]["origin"])})


def build(look: dict) -> Person:
    """The mesh and texture of a look. Raises ValueError for a garment that does not exist."""
    random = rng("build", look["world"], look["pid"])
    noise = random.uniform(0, 2 * np.pi, 3)
    body = shape_vertices(shape_of(look))
    top, bottom, shoe = (_record(kind, look) for kind in ("top", "bottom", "shoes"))
    hair = _record("hair", look)
    parts = [_skin(look, garments.skin_piece(top, bottom, shoe), body)]
    piece = garments.top_piece(top)
    parts.append(
        _part(piece, garments.shape_top(top, piece, body, noise), np.ones(3), top.roughness, _top_uv(piece, top))
    )
    piece = garments.bottom_piece(bottom, top.hem_m + 0.06)
    parts.append(
        _part(piece, garments.shape_bottom(bottom, piece, body, noise), np.ones(3), bottom.roughness, _bottom_uv(piece))
    )
    upper, sole = garments.shoe_piece(shoe, False), garments.shoe_piece(shoe, True)
    uppers, soles = garments.shape_shoe(shoe, upper, sole, body)
    parts.append(_part(upper, uppers, textures.hex_colour(look["shoes"]["colour"]), shoe.roughness))
    parts.append(_part(sole, soles, textures.hex_colour(look["shoes"]["sole"]), 0.8))
    parts += [*_eyes(look, body), *_hair(hair, look, body, noise), *_bag(look, body)]
    starts = np.cumsum([0] + [len(p.vertices) for p in parts])
    marks, mark_weights = _keypoints(body)
    return Person(
        vertices=np.concatenate([p.vertices for p in parts]),
        weights=np.concatenate([p.weights for p in parts]).astype(np.float32),
        faces=np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=False)]),
        uv=np.concatenate([p.uv for p in parts]),
        colour=np.concatenate([p.colour for p in parts]),
        roughness=np.concatenate([np.full(len(p.vertices), p.roughness) for p in parts]),
        atlas=textures.atlas(look, random),
        heads=joints(body),
        marks=marks,
        mark_weights=mark_weights,
    )


def pose(person: Person, rotations: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Posed vertices (N, 3) and keypoints (17, 3), standing on z = 0 at the origin, looking along -y."""
    transforms = bone_transforms(person.heads, rotations)
    vertices = skin(person.vertices, person.weights, transforms)
    marks = skin(person.marks, person.mark_weights, transforms)
    ground = np.array([0.0, 0.0, vertices[:, 2].min()])
    return vertices - ground, marks - ground


TABLES: dict[str, dict[str, Any]] = {
    "top": garments.TOPS,
    "bottom": garments.BOTTOMS,
    "shoes": garments.SHOES,
    "hair": garments.HAIR,
}


def _record(slot: str, look: dict) -> Any:
    """The garment record that a look names."""
    kind = look[slot]["kind"]
    if kind not in TABLES[slot]:
        raise ValueError(f"{slot}: got {kind!r}, wanted one of {', '.join(TABLES[slot])}")
    return TABLES[slot][kind]


def _around(x: np.ndarray, y: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Angle round the body as u in 0..1 per corner (F, 3): the back seam at 0 and 1, the front at 0.5; faces at the
    seam run over.
    """
    u = (np.arctan2(x, -y) / (2 * np.pi) + 0.5)[faces]
    far = u - u[:, :1]
    return u - np.round(far)


def _top_uv(piece: Piece, top: garments.Top) -> np.ndarray:
    t = template()
    # on the template as smooth as the cloth itself, else straight lines of the pattern turn jagged
    x, y, z = smooth(piece.of(t.positions), piece.faces, top.bulk).T
    body = textures.tile_uv(
        "body", _around(x, y + 0.01, piece.faces), ((z - top.hem_m) / (1.47 - top.hem_m))[piece.faces]
    )
    arm = piece.of(t.arm)
    elbow = base_mesh().vertices[base_mesh().joints].mean(1)[base_mesh().bone("lowerarm_l")]
    round_arm = _around(z - 1.166, y - elbow[1] + 0.0, piece.faces)
    sleeve = textures.tile_uv("sleeve", round_arm, 1 - (arm / 2.1)[piece.faces])
    on_arm = (piece.of(t.on_arm) > 0.5)[piece.faces].all(1)
    return np.where(on_arm[:, None, None], sleeve, body)


def _bottom_uv(piece: Piece) -> np.ndarray:
    x, y, z = smooth(piece.of(template().positions), piece.faces, 3).T
    return textures.tile_uv("legs", _around(x, y + 0.01, piece.faces), (z / garments.WAIST_M)[piece.faces])


def _skin(look: dict, piece: Piece, body: np.ndarray) -> _Part:
    tone = textures.hex_colour(MONK[look["skin_tone"] - 1])
    part = _part(piece, piece.of(body), tone, 0.55)
    # a swatch shows skin as it looks when lit: its albedo is lower and warmer in the light, higher in the dark
    part.colour = np.array([0.045, 0.028, 0.02]) + 0.66 * part.colour * [1.0, 0.88, 0.8]
    x, y, z = piece.of(template().positions).T
    lips = np.exp(-(((z - 1.527) / 0.007) ** 2) - (x / 0.022) ** 4) * (y < -0.11)
    flush = np.exp(-(((z - 1.56) / 0.02) ** 2) - ((np.abs(x) - 0.035) / 0.015) ** 2) * (y < -0.08)
    brows = np.exp(-(((z - 1.617 - 0.15 * np.abs(x)) / 0.0055) ** 2) - ((np.abs(x) - 0.03) / 0.018) ** 4) * (y < -0.1)
    red = textures.linear(np.array([0.72, 0.36, 0.34]))
    colour = part.colour * (1 - 0.15 * flush[:, None] * [0.2, 1, 1])
    colour = colour + 0.55 * lips[:, None] * (red * part.colour**0.4 - colour)
    dark = textures.linear(textures.hex_colour(look["hair"]["colour"])) * 0.8
    part.colour = np.clip(colour + 0.85 * brows[:, None] * (dark - colour), 0, 1)
    return part


def _eyes(look: dict, body: np.ndarray) -> list[_Part]:
    parts = []
    for side in "lr":
        piece = whole(f"helper-{side}-eye")
        vertices = piece.of(body)
        part = _part(piece, vertices, np.array([0.9, 0.88, 0.86]), 0.2)
        front = vertices[:, 1].min()
        away = np.linalg.norm((vertices - vertices.mean(0))[:, [0, 2]], axis=1)
        iris = (away < 0.0075) & (vertices[:, 1] < front + 0.008)
        part.colour = np.where(iris[:, None], textures.linear(textures.hex_colour(look["eyes"])), part.colour)
        parts.append(part)
    return parts


def _hair(hair: garments.Hair | None, look: dict, body: np.ndarray, noise: np.ndarray) -> list[_Part]:
    if hair is None:
        return []
    colour = textures.hex_colour(look["hair"]["cloth" if hair.cloth else "colour"])
    piece = garments.scalp_piece(hair)
    parts = [_part(piece, garments.shape_hair(hair, piece, body, noise), colour, 0.9 if hair.cloth else 0.5)]
    if hair.length_m is not None:
        curtain = garments.curtain_piece(hair.length_m)
        vertices, centre = curtain.of(body), parts[0].vertices.mean(0)
        for turn, stand in (
            (0.0, 0.006),
            (0.13, 0.003),
            (-0.13, 0.0),
        ):  # layers close the gaps between the helper's strips
            layer = (vertices - centre) @ rotation(z=turn).T + centre + normals(vertices, curtain.faces) * stand
            parts.append(_part(curtain, layer, colour, 0.5))
    if hair.bun_m:
        top = parts[0].vertices
        back = top[top[:, 1].argmax()] + np.array([0, 0.6 * hair.bun_m, 0.02])
        parts.append(_ball(back, hair.bun_m, colour))
    if not hair.cloth:  # strands: darker and lighter streaks running down
        for part in parts:
            angle = np.arctan2(part.vertices[:, 0], part.vertices[:, 1])
            streak = 1 + 0.22 * np.sin(41 * angle + noise[0]) * np.sin(17 * angle + noise[1])
            part.colour = part.colour * streak[:, None]
    return parts


def _ball(centre: np.ndarray, radius: float, colour: np.ndarray) -> _Part:
    theta, phi = np.meshgrid(np.linspace(0, np.pi, 9), np.linspace(0, 2 * np.pi, 13), indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(-1, 3)
    return _solid(centre + radius * points, _grid_faces(9, 13), "head", colour, 0.6)


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    k = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    return np.concatenate([np.stack([k, k + columns, k + 1], 1), np.stack([k + 1, k + columns, k + columns + 1], 1)])


def _solid(vertices: np.ndarray, faces: np.ndarray, bone: str, colour: np.ndarray, roughness: float) -> _Part:
    weights = np.zeros((len(vertices), len(base_mesh().bones)))
    weights[:, base_mesh().bone(bone)] = 1
    uv = np.broadcast_to(textures.tile_uv("white", np.array(0.5), np.array(0.5)), (*faces.shape, 2))
    return _Part(vertices, weights, faces, uv, np.broadcast_to(textures.linear(colour), (len(vertices), 3)), roughness)


def _bag(look: dict, body: np.ndarray) -> list[_Part]:
    """A backpack, or nothing; its straps are painted on the top (see `textures.atlas`)."""
    if not look.get("bag"):
        return []
    colour = textures.hex_colour(look["bag"]["colour"])
    skin_ = body[np.unique(base_mesh().faces["helper-tights"])]
    chest = joints(body)[base_mesh().bone("spine_03")]
    top = joints(body)[base_mesh().bone("neck_01")][2] - 0.05
    slab = skin_[(skin_[:, 2] > chest[2] - 0.05) & (skin_[:, 2] < top) & (np.abs(skin_[:, 0]) < 0.12)]
    back = slab[:, 1].max() + 0.01
    theta, phi = np.meshgrid(np.linspace(0, np.pi, 11), np.linspace(0, 2 * np.pi, 17), indexing="ij")

    def puff(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** 0.45

    pack = np.stack(
        [puff(np.sin(theta) * np.cos(phi)) * 0.14, puff(np.sin(theta) * np.sin(phi)) * 0.07, puff(np.cos(theta)) * 0.2],
        -1,
    )
    middle = np.array([0, back + 0.06, (top + chest[2]) / 2 - 0.03])
    parts = [_solid(pack.reshape(-1, 3) + middle, _grid_faces(11, 17), "spine_03", colour, 0.7)]
    return parts


def _keypoints(body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mesh = base_mesh()
    heads, eyes = joints(body), {s: body[np.unique(mesh.faces[f"helper-{s}-eye"])].mean(0) for s in "lr"}
    skin_ = body[: mesh.faces["body"].max() + 1]
    face = skin_[
        (skin_[:, 2] > eyes["l"][2] - 0.06) & (skin_[:, 2] < eyes["l"][2] - 0.01) & (np.abs(skin_[:, 0]) < 0.01)
    ]
    side = skin_[np.abs(skin_[:, 2] - eyes["l"][2] + 0.01) < 0.02]
    points = [face[face[:, 1].argmin()], eyes["l"], eyes["r"], side[side[:, 0].argmax()], side[side[:, 0].argmin()]]
    bones = ["head"] * 5
    for bone in ("upperarm", "lowerarm", "hand", "thigh", "calf", "foot"):
        for s in "lr":
            bones.append(f"{bone}_{s}")
            points.append(heads[mesh.bone(bones[-1])])
    weights = np.zeros((17, len(mesh.bones)))
    weights[np.arange(17), [mesh.bone(b) for b in bones]] = 1
    return np.array(points), weights
