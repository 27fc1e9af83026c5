"""How good the people are: `python -m benchmarks.people --ids 2369 --json`.

Counts who could be taken for another, measures bodies, the time to build and to pose, where clothes show through one
another, whether feet stand on the ground, and, where Blender is, whether a small net can tell the people apart.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import label
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from opengspr import command
from opengspr.randomness import rng
from synth.motion import rotation
from synth.person.colours import ciede2000
from synth.person.identity import ALIKE, colours, identities, kinds
from synth.person.parts import HAIR
from synth.person.person import Person, build, pose, stance
from synth.walks import ACTIONS

PIXELS = 320  # height of the pictures in which clothes are looked at; 2.2 m
BEHIND_M = 0.05
SHARE = 0.1  # of people with a look-alike, where they are asked for
HOLE = 6  # pixels of a hole that no arm or leg makes


@dataclass(frozen=True)
class Benchmark:
    """Measure people; the last line is JSON."""

    ids: int = 2369
    """People that are drawn."""
    wardrobe: str = "mixed"
    """Their wardrobe."""
    built: int = 200
    """People that are built and looked at."""
    poses: int = 8
    """Poses of each."""
    recognised: int = 200
    """People whose pictures a small net is to tell apart, rendered for this; 0 to leave it."""
    shots: int = 16
    """Pictures of each of them."""
    seen_in: str = "mini-gspr"
    """The world of whose places four show them: mini-gspr in fine weather by ideal cameras, gspr in all."""
    out: Path | None = None
    """Keeps their pictures and the net here, so that the same command goes on where it was cut off."""
    json: bool = False
    """Print only the last line."""


def main(settings: Benchmark) -> None:
    looks = [*identities("gspr", settings.wardrobe, settings.ids, 0)]
    random = rng("benchmark", "people")
    some = [looks[k] for k in sorted(random.choice(len(looks), min(settings.built, len(looks)), replace=False))]
    pairs = [like for like in identities("gspr", settings.wardrobe, settings.ids, 0, SHARE) if like["like"] is not None]
    result: dict[str, Any] = {"ids": len(looks), "same_looks": _same(looks), "lookalike_pairs": len(pairs)}
    with threadpool_limits(1):  # as in the processes that render
        result |= _heights(looks) | _people(some, settings.poses)
    if settings.recognised:
        from benchmarks.recognition import rank1

        result |= rank1(settings.recognised, settings.shots, settings.seen_in, settings.out)
    if not settings.json:
        for key, value in result.items():
            print(f"{key:24} {value:.5g}")
    print(json.dumps({key: round(float(value), 5) for key, value in result.items()}))


def _same(looks: list[dict]) -> int:
    """Pairs that agree in garments, patterns, hair or hat, what they carry, and nearly in both colours."""
    groups: dict[tuple, list[tuple[np.ndarray, np.ndarray]]] = {}
    same = 0
    for look in looks:
        top, bottom = colours(look)
        others = groups.setdefault(kinds(look), [])
        same += sum(bool(ciede2000(top, a) < ALIKE and ciede2000(bottom, b) < ALIKE) for a, b in others)
        others.append((top, bottom))
    return same


def _heights(looks: list[dict]) -> dict[str, float]:
    out: dict[str, float] = {}
    for sex in ("male", "female"):
        adults = [look["shape"]["height_m"] for look in looks if look["sex"] == sex and look["age_group"] != "child"]
        out |= {f"height_m_{sex}_mean": float(np.mean(adults)), f"height_m_{sex}_sd": float(np.std(adults))}
    return out


def _people(looks: list[dict], poses: int) -> dict[str, float]:
    build_s, pose_s, poked, cloth, ground, far, triangles = [], [], 0, 0, [], 0.0, []
    for look in tqdm(looks, desc="people", disable=None):
        random = rng("benchmark", "poses", look["pid"])
        began = time.process_time()
        person = build(look)
        build_s.append(time.process_time() - began)
        triangles.append(len(person.faces))
        for k in range(poses):
            action = [*ACTIONS][k % len(ACTIONS)]
            rotations = stance(look, action, random.random())
            began = time.process_time()
            vertices, _ = pose(person, rotations)
            pose_s.append(time.process_time() - began)
            height = look["shape"]["height_m"]
            far = max(far, float(np.linalg.norm(vertices - [0, 0, height / 2], axis=1).max() / height))
            ground.append(1000 * _sole_above_ground(person, vertices))
            bad, seen = poke_through(person, vertices @ rotation(z=random.uniform(0, 2 * np.pi)).T)
            poked, cloth = poked + bad, cloth + seen
    return {
        "create_cpu_s": float(np.mean(build_s)),
        "repose_ms": 1000 * float(np.mean(pose_s)),
        "poke_through": poked / cloth,
        "ground_error_mm_median": float(np.median(ground)),
        "farthest_vertex_heights": far,
        "triangles_median": float(np.median(triangles)),
        "triangles_max": max(triangles),
    }


def _sole_above_ground(person: Person, vertices: np.ndarray) -> float:
    """Median height in metres of the sole of the foot that stands, heel and ball together; 0 is flat on the ground."""
    low = (person.layer < HAIR) & (person.vertices[:, 2] < -person.drop_m + 0.006)
    left = person.vertices[:, 0] > 0
    return min(float(np.median(np.abs(vertices[low & side, 2]))) for side in (left, ~left))


def poke_through(person: Person, vertices: np.ndarray) -> tuple[int, int]:
    """Pixels in which clothes fail, and all pixels of clothes, of a person seen along y from far away.

    They fail where something that an outer garment covers lies less than 5 cm before that garment, or where a small
    hole shows the background or a garment from inside.
    """
    scale = PIXELS / 2.2
    pixels = np.stack([vertices[:, 0] * scale + PIXELS / 2, PIXELS - 8 - vertices[:, 2] * scale], 1)
    depth = vertices[:, 1]
    front, near = nearest(pixels, depth, person.faces)
    layer = person.layer[person.faces[:, 0]]
    is_covered = person.covered[person.faces].all(1)
    a, b, c = (pixels[person.faces[:, k]] for k in range(3))
    towards = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] < 0  # y of pictures points down
    garments = np.flatnonzero((layer > 0) & (layer < HAIR) & ~is_covered & towards)
    behind, deep = nearest(pixels, depth, person.faces[garments])
    seen = front >= 0
    both = seen & (behind >= 0)
    gap = np.where(both, deep, 0) - np.where(both, near, 0)
    before = both & is_covered[front] & (gap < BEHIND_M)
    before &= layer[garments][behind] > layer[front]
    inside_out = seen & (layer[front] > 0) & (layer[front] < HAIR) & ~towards[front]
    holes, count = label(~seen | inside_out)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    sizes[0] = PIXELS**2
    cloth = seen & (layer[front] > 0) & (layer[front] < HAIR)
    return int(before.sum() + (sizes[holes] <= HOLE).sum()), int(cloth.sum())


def nearest(pixels: np.ndarray, depth: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest face in each pixel (PIXELS, PIXELS), -1 for none, and its depth."""
    corners = pixels[faces]
    low = np.ceil(corners.min(1) - 0.5).astype(int).clip(0, PIXELS - 1)
    high = np.floor(corners.max(1) - 0.5).astype(int).clip(0, PIXELS - 1)
    side = (high - low + 1).max(1)
    at, deep, which = [], [], []
    reach = 1
    while True:
        group = np.flatnonzero((high >= low).all(1) & (side <= reach) & (side > reach // 2))
        y, x = (v.ravel() for v in np.mgrid[0:reach, 0:reach])
        for some in np.array_split(group, len(group) * reach**2 // 2_000_000 + 1):
            px, py = low[some, :1] + x, low[some, 1:] + y
            a, b, c = (corners[some, k] for k in range(3))

            def edge(p: np.ndarray, q: np.ndarray, px: np.ndarray = px, py: np.ndarray = py) -> np.ndarray:
                return (q - p)[:, :1] * (py + 0.5 - p[:, 1:]) - (q - p)[:, 1:] * (px + 0.5 - p[:, :1])

            u, v, w = edge(b, c), edge(c, a), edge(a, b)
            inside = ((u >= 0) & (v >= 0) & (w >= 0)) | ((u <= 0) & (v <= 0) & (w <= 0))
            inside &= (px < PIXELS) & (py < PIXELS)
            i, j = np.nonzero(inside)
            total = (u + v + w)[i, j]
            d = depth[faces[some]][i]
            mixed = (u[i, j] * d[:, 0] + v[i, j] * d[:, 1] + w[i, j] * d[:, 2]) / np.where(total == 0, 1, total)
            at.append((py * PIXELS + px)[i, j])
            deep.append(mixed)
            which.append(some[i])
        if reach >= PIXELS:
            break
        reach *= 2
    at_, deep_, which_ = np.concatenate(at), np.concatenate(deep), np.concatenate(which)
    order = np.argsort(-deep_)
    face, near = np.full(PIXELS**2, -1), np.full(PIXELS**2, np.inf)
    face[at_[order]], near[at_[order]] = which_[order], deep_[order]
    return face.reshape(PIXELS, PIXELS), near.reshape(PIXELS, PIXELS)


if __name__ == "__main__":
    command(Benchmark, main)
