"""People in the items of an asset pack (numpy): parts, colours, tiles of the texture."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from synth.person.assets import Asset, Pack
from synth.person.basemesh import base_mesh
from synth.person.colours import hex_colour, linear
from synth.person.parts import HAIR, Part, white_uv
from synth.person.pieces import template
from synth.person.surface import Hull, mean
from synth.person.textures import Canvas, canvas, tile_uv

WAIST_M = 1.03  # on the template, where an outfit of one piece changes its colour
SOLE_M, SOCK_M = 0.02, 0.16  # where soles end, and how high only socks reach
LAYER = {"suit": 1, "shoes": 1, "hair": HAIR, "hat": HAIR + 1}
ROUGHNESS = {"suit": 0.85, "shoes": 0.5, "hair": 0.5, "hat": 0.85}


def worn_items(look: dict, pack: Pack) -> dict[str, Asset]:
    """The items that a look names and the pack has, by kind."""
    named = (look.get("assets") or {}).items()
    return {kind: pack[name] for kind, name in named if name in pack and pack[name].kind == kind}


def asset_part(asset: Asset, look: dict, body: np.ndarray) -> Part:
    """An item on a shaped body (19158, 3); it moves with the skin that it rides on."""
    weights = np.clip(asset.of(base_mesh().weights), 0, None)
    uv = np.broadcast_to(white_uv(), asset.uv.shape)
    if asset.texture is not None or asset.kind in ("suit", "hair"):
        uv = tile_uv(asset.kind, asset.uv[..., 0], asset.uv[..., 1])
    return Part(
        asset.on(body),
        weights / weights.sum(1, keepdims=True),
        asset.faces,
        uv,
        _colour(asset, look),
        ROUGHNESS[asset.kind],
        LAYER[asset.kind],
    )


def heights(asset: Asset) -> np.ndarray:
    """Where an item's vertices are on the template (N,), metres."""
    return asset.on(template()[0])[:, 2]


def under(part: Part, asset: Asset, hem_m: float) -> Part:
    """An item without what is well under a hem at a height on the template: socks under trousers."""
    shown = (heights(asset)[part.faces] < hem_m + 0.02).any(1)
    return replace(part, faces=part.faces[shown], uv=part.uv[shown])


def _colour(asset: Asset, look: dict) -> np.ndarray:
    """Linear colour (N, 3) that multiplies the texture."""
    z, shoes = heights(asset), look["shoes"]
    if asset.kind == "hair":
        return np.broadcast_to(linear(np.minimum(hex_colour(look["hair"]["colour"]) * 1.12, 1)), (len(z), 3))
    if asset.texture is not None:
        return np.ones((len(z), 3))
    if asset.kind == "suit":
        names = np.where(_upper(asset), look["top"]["colour"], (look["bottom"] or look["top"])["colour"])
    elif asset.kind == "shoes":
        names = np.where(
            _pieces(asset)[1] > SOCK_M, shoes["second"], np.where(z > SOLE_M, shoes["colour"], shoes["sole"])
        )
    else:  # a hat goes with the shoes
        names = np.full(len(z), shoes["colour"])
    found, which = np.unique(names, return_inverse=True)
    return np.array([linear(hex_colour(str(name))) for name in found])[which]


def _pieces(asset: Asset) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest place on the template (N,) of the piece that each vertex belongs to."""
    edges = np.concatenate([asset.faces[:, [0, 1]], asset.faces[:, [1, 2]]])
    z = heights(asset)
    graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(len(z), len(z)))
    count, piece = connected_components(graph, directed=False)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, piece, z)
    np.maximum.at(high, piece, z)
    return low[piece], high[piece]


@lru_cache(maxsize=64)
def _upper(asset: Asset) -> np.ndarray:
    """Which vertices (N,) of an outfit are of the upper body: by pieces, and by height where one piece is both."""
    low, high = _pieces(asset)
    z, mesh = heights(asset), base_mesh()
    arms = [mesh.bone(f"{bone}_{side}") for bone in ("upperarm", "lowerarm", "hand") for side in "lr"]
    both = (low < 0.7) & (high > 1.2)
    return (np.where(both, z, (low + high) / 2) > WAIST_M) | (asset.of(mesh.weights)[:, arms].sum(1) > 0.3)


def put_on(part: Part, hull: Hull) -> None:
    """Makes an outfit the outermost layer, on which straps and long hair lie: the farthest of it along the normals."""
    _, near = cKDTree(part.vertices).query(hull.at, 32, distance_upper_bound=0.09)
    away = np.concatenate([part.vertices, np.full((1, 3), np.inf)])[near] - hull.at[:, None]
    away[~np.isfinite(away)] = 9.0  # fewer than so many are that near
    out = (away * hull.normals[:, None]).sum(2)
    beside = np.linalg.norm(away - out[..., None] * hull.normals[:, None], axis=2)
    off = np.where((beside < 0.02) & (out < 0.09), out, 0).max(1).clip(0)
    for _ in range(2):
        off = np.maximum(off, mean() @ off)
    hull.put_on(hull.at + hull.normals * off[:, None], np.ones(len(off)))


def paint_item(asset: Asset) -> Canvas | None:
    """The tile of an item: its picture, else a plain weave; None where it needs none."""
    if asset.texture is None and asset.kind != "suit":
        return None
    c = canvas(asset.kind, 1.0, 0.0, 1.0)
    if asset.texture is None:
        y, x = np.indices(c.relief.shape)
        c.relief += (0.12 * np.where((x // 2 + y // 2) % 2, 1, -1)).astype(np.float32)
        return c
    c.albedo[:] = _picture(asset.texture, c.relief.shape[::-1])
    if asset.kind == "hair":  # the person's own colour, lighter and darker
        grey = c.albedo.mean(2, keepdims=True)
        c.albedo[:] = np.clip(0.8 * grey / max(float(grey.mean()), 0.01), 0.3, 1)
    return c


@lru_cache(maxsize=16)
def _picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A picture at a tile's size (H, W, 3), sRGB in 0..1."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / 255
