"""Checks places: `python -m scenes.check`, `python -m scenes.check beach pub`, `--propose` for viewpoints."""

from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm
from tyro.conf import Positional

from opengspr import UserError, command
from opengspr.randomness import rng
from scenes.mesh import Mesh
from scenes.places import FOLDER, Place, Viewpoint, build_place, load_place, place_names
from scenes.sight import NEAR_M, middle_of, region_points, sight, whatever_is_drawn

KINDS, SURFACES, HIDING = 12, 8, 3  # kinds of set pieces and surfaces, and things that can hide a walker, at least
REGION_SHARE = 0.6
CLOSE_SHARE = 0.02  # of a frame may be hidden by what hangs or stands before the camera
VIEWPOINTS = 12
HIGH_M = (1.6, 6.0)
GAP_DEG = 62  # between two neighbours of the viewpoints, at most


@dataclass(frozen=True)
class Check:
    """Say what is wrong with places."""

    places: Positional[tuple[str, ...]] = ()
    """Their names; all of them without."""
    propose: bool = False
    """Print 12 viewpoints round the middle of each place's region that would pass, to copy into its file."""
    seed: int = 0
    """Another seed, other proposals."""


def main(settings: Check) -> None:
    names = settings.places or tuple(place_names())
    found: list[str] = []
    for name in tqdm(names, desc="places", disable=None, leave=False):
        try:
            place = load_place(name)
        except UserError as error:
            found.append(str(error))
            continue
        if settings.propose:
            print(f"# {name}")
            for view in propose(place, settings.seed):
                at, look = (", ".join(f"{v:.2f}" for v in point) for point in (view.at, view.look))
                print(f"  - {{at: [{at}], look: [{look}], focal_mm: {view.focal_mm:.0f}}}")
        else:
            found += [f"{FOLDER / name}.yaml: {line}" for line in faults(place)]
    for line in found:
        print(line)
    if found:
        raise UserError(f"{len(found)} faults in {len(names)} places")
    if not settings.propose:
        print(f"{len(names)} places: nothing wrong")


def faults(place: Place) -> list[str]:
    """What is wrong with a place, a line each, with what helps."""
    made = build_place(place, rng(0, "check", place.name))
    out = []
    kinds = {piece["kind"] for piece in place.pieces}
    surfaces = {mesh.surface for mesh in made if isinstance(mesh, Mesh)}
    if len(kinds) < KINDS:
        out.append(f"pieces: {len(kinds)} kinds of set pieces, wanted {KINDS}: add others")
    if len(surfaces) < SURFACES:
        out.append(f"pieces: {len(surfaces)} surfaces, wanted {SURFACES}: add pieces of other materials")
    if (count := len(hiding(place))) < HIDING:
        out.append(f"pieces: {count} things that can hide a walker, wanted {HIDING}: put some within 3 m of the region")
    if len(place.viewpoints) != VIEWPOINTS:
        out.append(f"viewpoints: {len(place.viewpoints)}, wanted {VIEWPOINTS}: --propose prints some")
    if (gap := widest_gap_deg(place)) > GAP_DEG:
        out.append(
            f"viewpoints: {gap:.0f} degrees without one, seen from the region's middle, wanted {GAP_DEG} at most"
        )
    corners = whatever_is_drawn(place)
    for k, view in enumerate(place.viewpoints):
        seen = sight(place, view, corners)
        assert seen is not None
        if not HIGH_M[0] <= view.at[2] <= HIGH_M[1]:
            out.append(f"viewpoint {k}: {view.at[2]} m high, wanted {HIGH_M[0]} to {HIGH_M[1]}")
        if seen.enclosed or seen.near_m < NEAR_M:
            out.append(f"viewpoint {k}: inside an object, or less than {NEAR_M} m before one: move it away")
        elif not seen.middle_free:
            out.append(f"viewpoint {k}: a walker in the middle is hidden or cut off: move it, or what is in the way")
        elif seen.region_share < REGION_SHARE:
            out.append(
                f"viewpoint {k}: sees {seen.region_share:.0%} of the region, wanted {REGION_SHARE:.0%}: move it back "
                "or shorten focal_mm"
            )
        elif seen.close_share > CLOSE_SHARE:
            out.append(
                f"viewpoint {k}: {seen.close_share:.0%} of the frame is hidden by things less than half way to the "
                "middle: move it, or them"
            )
    return out


def widest_gap_deg(place: Place) -> float:
    """The largest angle between neighbouring viewpoints as seen from the region's middle."""
    x, y = (np.array([view.at[:2] for view in place.viewpoints]) - middle_of(place)).T
    bearing = np.sort(np.rad2deg(np.arctan2(y, x)))
    return float(np.diff([*bearing, bearing[0] + 360]).max())


def hiding(place: Place) -> list[str]:
    """Kinds of the things near the region that reach above a walker's hip, and are not walls round it."""
    near = region_points(place, 1.0)[:, :2]
    out = []
    for k, piece in enumerate(place.pieces):
        one = replace(place, pieces=(piece,))
        for mesh in (m for m in build_place(one, rng(0, "check", place.name, k)) if isinstance(m, Mesh)):
            v = mesh.vertices[(mesh.vertices[:, 2] > 0.6) & (mesh.vertices[:, 2] < 2.2)]
            if (
                len(v)
                and np.ptp(v[:, :2], axis=0).max() < 6
                and np.linalg.norm(v[:, None, :2] - near, axis=2).min() < 3
            ):
                out.append(piece["kind"])
                break
    return out


def propose(place: Place, seed: int) -> list[Viewpoint]:
    """Twelve viewpoints, 30 degrees apart as seen from the region's middle but for some jitter, hung as high as cameras
    are. Raises UserError where none is found in a direction.
    """
    corners = whatever_is_drawn(place)
    middle = middle_of(place)
    size = float(np.linalg.norm(np.ptp(np.array(place.region), axis=0)))
    out = []
    for k in range(VIEWPOINTS):
        random = rng(seed, "viewpoints", place.name, k)
        tries = []
        for attempt in range(60):
            angle = np.deg2rad(30 * k + random.uniform(-7, 7) * (1 + attempt / 20))
            away, high = random.uniform(0.55, 1.25) * size, random.choice([2.2, 2.8, 3.4, 4.2])
            x, y = np.round(middle + away * np.array([np.sin(angle), -np.cos(angle)]), 2)
            a, b = np.round(middle + random.uniform(-0.4, 0.4, 2), 2)
            focal = float(random.choice([18, 20, 22, 24, 26, 28, 30, 34, 38]))
            tries.append((focal / away, Viewpoint((x, y, high), (a, b, 0.9), focal)))
        for _, view in sorted(tries, key=lambda one: -one[0]):  # people as large as may be
            seen = sight(place, view, corners, 0.7)
            if seen and not seen.enclosed and seen.near_m > 2 * NEAR_M and seen.close_share < CLOSE_SHARE / 2:
                out.append(view)
                break
        else:
            raise UserError(f"{FOLDER / place.name}.yaml: no viewpoint found at {30 * k} degrees: clear the way")
    return out


if __name__ == "__main__":
    command(Check, main)
