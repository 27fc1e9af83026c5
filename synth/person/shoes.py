"""Shoes as records: lofted from the outline of the foot up to the ankle, so they fit every foot (numpy).

To add a shoe, add a record to SHOES.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour
from synth.person.parts import Part, strip_faces
from synth.person.pieces import places, whole
from synth.person.textures import Canvas, canvas, tile_uv

ROUND = 32  # vertices round the outline


@dataclass(frozen=True)
class Shoe:
    """Attributes: sole_m thickness under the foot; heel_m more of it under the heel; collar_m height of the opening
    above the foot's sole; shaft_m height on the template up to which a shaft goes on, or None; toe_m length beyond the
    toes; point 2 round to 1.2 pointed; puff how high the toe box is, of a low instep; laces; open (straps only);
    low (cut deep at the instep); roughness.
    """

    sole_m: float
    collar_m: float
    heel_m: float = 0.0
    shaft_m: float | None = None
    toe_m: float = 0.008
    point: float = 2.2
    puff: float = 0.48
    laces: bool = False
    open: bool = False
    low: bool = False
    roughness: float = 0.55


SHOES = {
    "trainers": Shoe(0.026, 0.088, heel_m=0.006, laces=True, roughness=0.65),
    "canvas shoes": Shoe(0.022, 0.080, laces=True, puff=0.45, roughness=0.8),
    "high tops": Shoe(0.024, 0.125, laces=True, roughness=0.7),
    "leather shoes": Shoe(0.012, 0.078, heel_m=0.014, toe_m=0.022, point=1.8, puff=0.45, laces=True, roughness=0.25),
    "loafers": Shoe(0.012, 0.066, heel_m=0.010, toe_m=0.016, point=1.9, puff=0.46, low=True, roughness=0.35),
    "flats": Shoe(0.008, 0.050, toe_m=0.008, point=2.0, puff=0.48, low=True, roughness=0.4),
    "boots": Shoe(0.024, 0.115, heel_m=0.012, shaft_m=0.24, toe_m=0.014, puff=0.52, laces=True, roughness=0.45),
    "high boots": Shoe(0.018, 0.11, heel_m=0.022, shaft_m=0.40, toe_m=0.016, point=1.9, puff=0.54, roughness=0.35),
    "sandals": Shoe(0.018, 0.0, open=True, toe_m=0.006, roughness=0.7),
}


def drop_m(shoe: Shoe) -> float:
    """How far the ground is below the sole of the foot."""
    return shoe.sole_m + 0.002


def shoe_parts(look: dict, shoe: Shoe, body: np.ndarray, calf: np.ndarray, shaft_top_m: float) -> list[Part]:
    """Both shoes.

    Args:
        body: shaped base vertices. calf: (N, 3) points of the outermost layer on both lower legs, which a shaft
            encloses. shaft_top_m: height where a shaft ends.
    """
    return [part for side in (1.0, -1.0) for part in _one(look, shoe, body, calf, shaft_top_m, side)]


def _frame(body: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Origin below the heel, forward and outward axes of a foot, and its points there (K, 3): outward, forward, up."""
    mesh, p = base_mesh(), places("body")
    heads = body[mesh.joints].mean(1)
    s = "l" if side > 0 else "r"
    ankle, ball = heads[mesh.bone(f"foot_{s}")], heads[mesh.bone(f"ball_{s}")]
    forward = (ball - ankle) * [1, 1, 0]
    forward /= np.linalg.norm(forward)
    outward = np.array([-forward[1], forward[0], 0.0])
    outward *= np.sign(outward[0] * side)
    foot = whole("body").of(body)[(p.at[:, 2] < 0.09) & (p.at[:, 0] * side > 0) & (p.on_leg > 0.5)]
    along = (foot - ankle) @ forward
    origin = ankle + forward * along.min()
    origin[2] = 0.0
    local = np.stack([(foot - origin) @ outward, (foot - origin) @ forward, foot[:, 2]], 1)
    return origin, outward, forward, local


def _outline(local: np.ndarray, shoe: Shoe) -> np.ndarray:
    """Outline (ROUND, 2) of the sole: outward, forward; from the heel over the inner side to the toe and back."""
    length = local[:, 1].max()
    stations = np.linspace(0.08, 0.92, 12)
    low = local[local[:, 2] < 0.05]
    inner, outer = np.empty(12), np.empty(12)
    for k, station in enumerate(stations):
        near = low[np.abs(low[:, 1] - station * length) < 0.018, 0]
        inner[k], outer[k] = near.min() - 0.005, near.max() + 0.005
    phi = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    s = (1 - np.cos(phi)) / 2
    power = np.where(s > 0.5, shoe.point, 2.4)
    across = np.maximum(1 - np.abs(2 * s - 1) ** power, 0) ** (1 / 2.2)
    mid = np.interp(s, stations, (inner + outer) / 2)
    half = np.where(np.sin(phi) >= 0, mid - np.interp(s, stations, inner), np.interp(s, stations, outer) - mid)
    x = mid - np.sign(np.sin(phi)) * np.maximum(half, 0.02) * across
    y = -0.009 + s * (length + 0.009 + shoe.toe_m)
    return np.stack([x, y], 1)


def _one(look: dict, shoe: Shoe, body: np.ndarray, calf: np.ndarray, shaft_top_m: float, side: float) -> list[Part]:
    mesh = base_mesh()
    s = "l" if side > 0 else "r"
    heads = body[mesh.joints].mean(1)
    origin, outward, forward, local = _frame(body, side)
    away = heads[mesh.bone(f"foot_{s}")] - origin
    points, v = _rings(shoe, local, np.array([away @ outward, away @ forward]))
    world = origin + points[..., :1] * outward + points[..., 1:2] * forward + points[..., 2:] * [0, 0, 1]
    flat = world.reshape(-1, 3)
    faces = strip_faces(len(points), ROUND, True)
    corner = np.stack([np.tile(np.arange(ROUND) / ROUND, len(points)), np.repeat(v, ROUND)], 1)[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    weights = _weights(points[..., 1].ravel(), local, s)
    shade = np.ones((len(flat), 3))
    if not shoe.open:
        shade[-ROUND:] = 0.3
    upper = Part(flat, weights, faces, tile_uv("shoes", *np.moveaxis(corner, -1, 0)), shade, shoe.roughness, 1)
    parts = [upper, _under(flat[:ROUND], weights[:ROUND])]
    if shoe.shaft_m is not None and shaft_top_m > 0.13:
        parts.append(_shaft(shoe, calf, side, heads, shaft_top_m))
    return parts


def _rings(shoe: Shoe, local: np.ndarray, ankle: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Rings (R, ROUND, 3) from below the sole up to the inside of the opening, outward, forward and up, and their
    heights in the tile. Args: local: (K, 3) the foot. ankle: (2,).
    """
    outline, scale = _outline(local, shoe), local[:, 1].max() / 0.25
    middle = outline.mean(0)
    phi = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    toe = (1 - np.cos(phi)) / 2  # 0 at the heel, 1 at the toe

    def ring(points: np.ndarray, up: np.ndarray | float) -> np.ndarray:
        return np.column_stack([points, np.broadcast_to(up, ROUND)])

    def about(points: np.ndarray, factor: float) -> np.ndarray:
        return middle + (points - middle) * factor

    under = -shoe.sole_m * np.ones(ROUND)
    arch = 0.006 * np.exp(-(((toe - 0.38) / 0.12) ** 2)) if shoe.heel_m > 0.008 else 0.0
    spring = 0.010 * np.clip((toe - 0.8) / 0.2, 0, 1) ** 2
    top = 0.008 + 0.5 * shoe.heel_m * (1 - toe) + spring
    rings = [
        ring(about(outline, 0.86), under + arch + spring),
        ring(about(outline, 1.0), under + arch + spring + 0.001),
        ring(about(outline, 1.015), (under + top) / 2),
        ring(about(outline, 1.0), top),
    ]
    v = [0.0, 0.04, 0.13, 0.22]
    if shoe.open:
        return np.stack(rings), v
    ahead = np.where(toe < 0.5, 0.050, 0.105 if shoe.low else 0.052) * scale
    end = np.column_stack([ankle[0] - 0.036 * scale * np.sin(phi), ankle[1] - ahead * np.cos(phi)])
    dip, tongue = 0.35 if shoe.low else 0.0, 0.018 if shoe.laces else 0.0
    end_z = scale * (shoe.collar_m * (1 - dip * toe) + tongue * toe**2)
    for t in (0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0):
        back = t ** (1.0 + 0.9 * toe)
        low = shoe.puff * np.minimum(1.0, 0.085 / (end_z - top))  # a toe box is no higher for a higher collar
        box = low * (1 - (1 - t) ** 3.5) + (1 - low) * t**1.6
        lift = t * (1 - toe) + box * toe
        grid = about(outline, 0.985) * (1 - back[:, None]) + end * back[:, None]
        rings.append(ring(grid, top + (end_z - top) * lift))
        if t > 0.2:
            _around_heel(rings[-1], local, ankle, toe < 0.4)
        v.append(0.22 + 0.62 * t)
    inner = rings[-1][:, :2] - ankle
    rings += [ring(ankle + inner * 0.86, end_z - 0.004), ring(ankle + inner * 0.80, end_z - 0.025)]
    return np.stack(rings), [*v, 0.86, 0.88]


def _around_heel(row: np.ndarray, local: np.ndarray, ankle: np.ndarray, mine: np.ndarray) -> None:
    """Moves points of a ring (ROUND, 3) outwards where the heel of the foot (K, 3) would come through it."""
    away = row[mine, :2] - ankle
    distance = np.linalg.norm(away, axis=1)
    direction, from_ankle = away / distance[:, None], local[:, :2] - ankle
    along = direction @ from_ankle.T
    beside = np.abs(direction @ (from_ankle @ [[0, -1], [1, 0]]).T)
    near = (beside < 0.010) & (np.abs(local[:, 2] - row[mine, 2:]) < 0.012)
    wanted = np.where(near, along + 0.004, 0).max(1)
    row[mine, :2] = ankle + away * np.maximum(1, wanted / distance)[:, None]


def _under(edge: np.ndarray, weights: np.ndarray) -> Part:
    """The underside of a sole, from its edge (ROUND, 3): a part of its own, so that its shading is its own."""
    around = np.arange(ROUND)
    faces = np.stack([np.full(ROUND, ROUND), around, (around + 1) % ROUND], 1)
    return Part(
        np.concatenate([edge, edge.mean(0, keepdims=True)]),
        np.concatenate([weights, weights.mean(0, keepdims=True)]),
        faces,
        tile_uv("shoes", np.full(faces.shape, 0.5), np.full(faces.shape, 0.05)),
        np.full((ROUND + 1, 3), 0.8),
        0.9,
        1,
    )


def _weights(forward: np.ndarray, local: np.ndarray, s: str) -> np.ndarray:
    """The front bends with the toes."""
    mesh = base_mesh()
    place = forward / local[:, 1].max()
    toes = np.clip((place - 0.66) / 0.12, 0, 1)
    weights = np.zeros((len(forward), len(mesh.bones)))
    weights[:, mesh.bone(f"foot_{s}")], weights[:, mesh.bone(f"ball_{s}")] = 1 - toes, toes
    return weights


def _shaft(shoe: Shoe, calf: np.ndarray, side: float, heads: np.ndarray, top_m: float) -> Part:
    """The shaft of a boot: rings round the lower leg, creased at the ankle, with a rim at the top."""
    mesh = base_mesh()
    s = "l" if side > 0 else "r"
    knee, ankle = heads[mesh.bone(f"calf_{s}")], heads[mesh.bone(f"foot_{s}")]
    rim = top_m - 0.012
    levels = np.concatenate([np.arange(0.06, 0.17, 0.013), np.linspace(0.19, rim, max(2, int((rim - 0.17) / 0.03)))])
    levels = np.append(levels[levels < rim], [rim, rim + 0.003, top_m])
    phi = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    ray = np.stack([np.sin(phi), -np.cos(phi)], 1)
    mine = calf[calf[:, 0] * side > 0]
    middle = ankle + np.clip((levels - ankle[2]) / (knee[2] - ankle[2]), 0, 1)[:, None] * (knee - ankle)
    support = np.empty((len(levels), ROUND))
    for k, level in enumerate(levels):
        near = mine[np.abs(mine[:, 2] - max(level, 0.10)) < 0.015, :2] - middle[k, :2]
        support[k] = (near[np.linalg.norm(near, axis=1) < 0.12] @ ray.T).max(0)
    support = np.maximum(support, gaussian_filter1d(support, 1.0, axis=0, mode="nearest")) + 0.009
    creased = np.exp(-(((levels - 0.115) / 0.035) ** 2)) * (-1.0) ** np.arange(len(levels))
    support += 0.003 * creased[:, None] * (0.6 + 0.4 * np.cos(phi + 0.9 * np.arange(len(levels))[:, None]))
    support[-2:] += 0.003
    points = np.repeat(middle[:, None], ROUND, axis=1)
    points[..., :2] += support[..., None] * ray
    points[..., 2] = levels[:, None]
    rings = np.concatenate([points, points[[-1, -4]] - np.column_stack([0.006 * ray, np.zeros(ROUND)])])  # the inside
    weights = np.zeros((len(rings), ROUND, len(mesh.bones)))
    share = np.clip((rings[..., 2] - 0.05) / 0.08, 0, 1)
    weights[..., mesh.bone(f"calf_{s}")], weights[..., mesh.bone(f"foot_{s}")] = share, 1 - share
    faces = strip_faces(len(rings), ROUND, True)
    corner = np.stack(
        [np.tile(phi / (2 * np.pi), len(rings)), np.repeat(np.linspace(0.86, 1.0, len(rings)), ROUND)], 1
    )[faces]
    corner[..., 0] -= np.round(corner[..., 0] - corner[:, :1, 0])
    shade = np.ones((len(rings), ROUND, 3))
    shade[-5], shade[-1] = 0.7, 0.25  # below the rim, and inside
    return Part(
        rings.reshape(-1, 3),
        weights.reshape(-1, len(mesh.bones)),
        faces,
        tile_uv("shoes", *np.moveaxis(corner, -1, 0)),
        shade.reshape(-1, 3),
        shoe.roughness,
        1,
    )


def paint_shoes(look: dict, shoe: Shoe) -> Canvas:
    """The tile of both shoes: x runs from the heel over the inner side and the toe back to the heel, z upwards from the
    sole's underside, 0 to 1.
    """
    c = canvas("shoes", 1.0, 0.0, 1.0)
    main, second, sole = (hex_colour(look[name]) for name in ("colour", "second", "sole"))
    c.albedo[:] = main
    toe = 0.5 - np.abs(c.x)  # 0 at the heel, 0.5 at the toe: the tile's middle
    upper = c.z > 0.22
    c.paint(np.broadcast_to(~upper, c.relief.shape), sole)
    c.line(np.broadcast_to(c.z - 0.225, c.relief.shape), 0.012, 0.5, 0.3)
    kind = look["kind"]
    if shoe.laces and kind in ("trainers", "canvas shoes", "high tops"):
        c.paint((toe > 0.37) & (c.z > 0.22) & (c.z < 0.42), second if look["trim"] else main, 1.0)
        c.line(np.where((toe > 0.36) & upper, c.z - 0.42, 1.0), 0.012, 0.4, 0.2)
        c.paint((toe < 0.07) & upper, second)
        if kind == "trainers":
            for k in range(int(look["stripes"])):
                slant = np.abs(np.abs(c.x) - 0.22 - 0.05 * k + 0.12 * (c.z - 0.5))
                c.paint((slant < 0.011) & (c.z > 0.25) & (c.z < 0.75), second)
        tongue = (toe > 0.42) & (c.z > 0.5)
        c.paint(tongue, np.clip(main * 0.8 + 0.02, 0, 1))
        rows = (np.abs((c.z * 14) % 1 - 0.5) < 0.22) & (toe > 0.40) & (c.z > 0.5) & (c.z < 0.84)
        c.paint(rows, np.array([0.88, 0.87, 0.84]) if look["pale_laces"] else np.array([0.1, 0.1, 0.1]))
        c.relief += 0.5 * rows
    elif shoe.laces:
        c.line(np.where(upper & (toe > 0.3), c.z - 0.40, 1.0), 0.012, 0.4, 0.25)
        rows = (np.abs((c.z * 11) % 1 - 0.5) < 0.2) & (toe > 0.42) & (c.z > 0.52) & (c.z < 0.84)
        c.paint(rows, main * 0.4)
    elif kind == "loafers":
        c.line(np.where(upper, np.hypot((toe - 0.5) / 0.16, (c.z - 0.75) / 0.42) - 1.0, 1.0), 0.06, 0.4, 0.25)
    return c
