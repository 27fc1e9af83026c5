"""Renders the shots of a unit: one stage, one pose per instant, one small region per shot, which gives picture and
masks at once.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np
import OpenEXR

from scenes.places import FRAME, Place, Viewpoint, camera_matrices, load_place, project
from scenes.sky import light
from synth.blender.meshes import move, person_object, remove
from synth.blender.stage import aim, forget, frame_size, open_scene, set_up
from synth.capture import Shot
from synth.develop import develop, jpeg, png
from synth.geometry import azimuth_deg, box_of, outside_share, silhouette
from synth.motion import Gait, joint_rotations
from synth.person.person import Person, build, pose
from synth.plan import Instant, Quality, Unit, Walker
from synth.randomness import rng

CONTEXT = 0.16  # of the person's height, shown on every side


class Studio:
    """Blender's scene with one unit's place in it, and a folder in memory through which pictures come back."""

    def __init__(self, unit: Unit, quality: Quality, folder: Path):
        self.unit, self.quality, self.folder = unit, quality, folder
        self.place: Place = load_place(unit.place)
        self.light = light(unit.weather, unit.hour, rng(*unit.key, "sky"))
        self.scene = open_scene(quality.samples)
        set_up(self.place, (unit.seed, unit.world, unit.place), self.light)
        self.exposures: dict[int, float] = {}

    def render(self, view: Viewpoint, step: int, region: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Renders a region of the frame at scale step / 120.

        Args:
            region: x0, y0, x1, y1 in pixels of the scaled frame.

        Returns:
            light (H, W, 3) float32 linear, indices (H, W) uint8 of the objects at the pixels' first sample.
        """
        aim(self.scene, view)
        width, height = frame_size(step)
        render = self.scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        x0, y0, x1, y1 = region
        # Blender keeps these in 32 bits and cuts off what follows the point: aim at the middle of the edge's pixel.
        render.border_min_x, render.border_max_x = (x0 + 0.5) / width, (x1 + 0.5) / width
        render.border_min_y, render.border_max_y = (height - y1 + 0.5) / height, (height - y0 + 0.5) / height
        path = self.folder / "region.exr"
        render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name.partition(".")[2]: channel.pixels for name, channel in file.channels().items()}
        colour = np.stack([channels[f"Combined.{c}"] for c in "RGB"], axis=-1).astype(np.float32)
        assert colour.shape == (y1 - y0, x1 - x0, 3), f"{region} came back as {colour.shape}"
        return colour, channels["IndexOB.X"].astype(np.uint8)

    def exposure(self, viewpoint: int) -> float:
        """Automatic exposure of a camera: brings the middle of its empty view's tones to middle grey."""
        if viewpoint not in self.exposures:
            width, height = frame_size(5)
            colour, _ = self.render(self.place.viewpoints[viewpoint], 5, (0, height // 3, width, height))
            grey = np.maximum(colour @ np.array([0.2126, 0.7152, 0.0722], np.float32), 1e-4)
            self.exposures[viewpoint] = float(0.18 / np.exp(np.log(grey).mean()))
        return self.exposures[viewpoint]


def unit_shots(
    unit: Unit, looks: dict[int, dict], quality: Quality, progress: Callable[[], None], folder: Path
) -> Iterator[Shot]:
    """Renders a unit. Shots whose person shows no pixel are left out.

    Args:
        looks: its people's looks by pid. progress: called after each shot. folder: for passing files, best in memory.
    """
    studio = Studio(unit, quality, folder)
    try:
        for camera in sorted({camera.viewpoint for instant in unit.instants for camera in instant.cameras}):
            studio.exposure(camera)
        people: dict[int, tuple[Person, bpy.types.Object]] = {}
        for instant in unit.instants:
            cast = [walker.pid for walker in instant.walkers]
            gone = [pid for pid in people if pid not in cast]
            if gone:
                forget(studio.scene)
            for pid in gone:
                remove(people.pop(pid)[1])
            for pid in cast:
                if pid not in people:
                    person = build(looks[pid])
                    people[pid] = (person, person_object(f"person-{pid}", person, person.vertices))
            yield from _instant_shots(studio, instant, looks, people, progress)
    finally:
        forget(studio.scene)


def _instant_shots(
    studio: Studio, instant: Instant, looks: dict[int, dict], people: dict, progress: Callable[[], None]
) -> Iterator[Shot]:
    posed = {}
    for index, walker in enumerate(instant.walkers, start=1):
        person, item = people[walker.pid]
        vertices, marks = pose(person, joint_rotations(Gait(**looks[walker.pid]["gait"]), walker.phase, walker.action))
        posed[walker.pid] = (_stand(vertices, walker), _stand(marks, walker))
        move(item, posed[walker.pid][0])
        item.pass_index = index
    for camera in instant.cameras:
        view = studio.place.viewpoints[camera.viewpoint]
        for walker in instant.walkers:
            shot = _shoot(studio, instant, camera, view, walker, looks, people[walker.pid][0], posed)
            progress()
            if shot is not None:
                yield shot


def _stand(points: np.ndarray, walker: Walker) -> np.ndarray:
    c, s = np.cos(walker.heading_rad), np.sin(walker.heading_rad)
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + [*walker.at, 0.0]


def _shoot(
    studio: Studio, instant: Instant, camera, view: Viewpoint, walker: Walker, looks: dict, person: Person, posed: dict
) -> Shot | None:
    matrices = camera_matrices(view)
    vertices, marks = posed[walker.pid]
    pixels, depth = project(vertices, matrices)
    if depth.min() < 0.3:
        return None
    full = [*pixels.min(0), *pixels.max(0)]
    step = int(np.clip(round(120 * studio.quality.height_px / (full[3] - full[1])), 6, 120))
    region = _region(full, step)
    if region is None:
        return None
    scale, (x0, y0, x1, y1) = step / 120, region
    light_, indices = studio.render(view, step, region)
    whole = silhouette(pixels * scale - [x0, y0], person.faces, (x1 - x0, y1 - y0))
    instance = 1 + [w.pid for w in instant.walkers].index(walker.pid)
    seen = indices == instance
    box = box_of(seen)
    if box is None:
        return None
    outside = outside_share(pixels, person.faces, FRAME)
    key = f"{walker.pid:05d}_c{camera.camid:02d}s{camera.viewpoint:02d}_{instant.frame:06d}_00"
    picture = develop(light_, studio.exposure(camera.viewpoint), camera.traits, scale, f"{studio.unit.key}{key}")
    # 120 / step, not 1 / scale: whole numbers first, so that the frame's edge is the edge to the bit
    to_frame = lambda b: [float((v + o) * 120 / step) for v, o in zip(b, (x0, y0, x0, y0), strict=True)]  # noqa: E731
    others = []
    for index, other in enumerate(instant.walkers, start=1):
        other_box = box_of(indices == index) if index != instance else None
        if other_box:
            others.append({"pid": other.pid, "instance": index, "box": to_frame(other_box)})
    points, _ = project(marks, matrices)
    at = np.floor(points * scale - [x0, y0]).astype(int)
    inside = (at >= 0).all(1) & (at < [x1 - x0, y1 - y0]).all(1)
    shown = [bool(i and _near(indices, p, instance)) for i, p in zip(inside, at, strict=True)]
    look = looks[walker.pid]
    truth = {
        "key": key,
        "world": studio.unit.world,
        "pid": walker.pid,
        "place": studio.unit.place,
        "viewpoint": camera.viewpoint,
        "camid": camera.camid,
        "tracklet": instant.tracklet,
        "frame": instant.frame,
        "box": to_frame(box),
        "box_full": [float(v) for v in full],
        "region": [x0 / scale, y0 / scale, (x1 - x0) / scale, (y1 - y0) / scale],
        "scale": scale,
        "instance": instance,
        "visible_share": float(min(1.0, seen.sum() / max(whole.sum(), 1)) * (1 - outside)),
        "truncation": outside,
        "keypoints_2d": [[float(x), float(y), int(s)] for (x, y), s in zip(points, shown, strict=True)],
        "keypoints_3d": marks.tolist(),
        "azimuth_deg": azimuth_deg(np.array(walker.at), walker.heading_rad, np.array(view.at[:2])),
        "body": {
            "shape": look["shape"],
            "gait": look["gait"],
            "phase": walker.phase,
            "at": list(walker.at),
            "heading_rad": walker.heading_rad,
        },
        "weather": studio.unit.weather,
        "hour": studio.unit.hour,
        "sun": {"azimuth_deg": studio.light.sun_azimuth_deg, "elevation_deg": studio.light.sun_elevation_deg},
        "action": walker.action,
        "camera": {name: m.tolist() for name, m in zip("KRt", matrices, strict=True)},
        "others": others,
    }
    return Shot(truth, jpeg(picture), png(indices))


def _near(indices: np.ndarray, at: np.ndarray, instance: int) -> bool:
    x, y = at
    return bool((indices[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] == instance).any())


def _region(full: list, step: int) -> tuple[int, int, int, int] | None:
    """The picture's rectangle in the scaled frame: the person with context, clipped; None when nothing of it is in
    the frame.
    """
    scale, (width, height) = step / 120, frame_size(step)
    margin = CONTEXT * (full[3] - full[1])
    x0, y0 = (int(np.floor((v - margin) * scale)) for v in full[:2])
    x1, y1 = (int(np.ceil((v + margin) * scale)) for v in full[2:])
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    return (x0, y0, x1, y1) if x1 - x0 >= 8 and y1 - y0 >= 16 else None
