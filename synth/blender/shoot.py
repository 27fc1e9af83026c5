"""Renders the shots of a unit: one stage, one pose per instant, one small region per shot, which gives picture and
masks at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import OpenEXR

from opengspr.randomness import rng
from scenes.places import Place, Viewpoint, camera_matrices, load_place, project
from scenes.sky import light
from synth.blender.meshes import move, person_object, remove
from synth.blender.stage import aim, flash, forget, open_scene, set_up
from synth.blur import smeared, way
from synth.capture import Frame, Picture, Shot
from synth.develop import automatic_exposure, develop, exposure_time_s, haze, jpeg, png, streaks
from synth.geometry import azimuth_deg, box_of
from synth.machine import trim
from synth.person.identity import appearance, attributes
from synth.person.person import Person, build, pose, possible, stance
from synth.person.tiers import OURS, Tiers
from synth.plan import Camera, Instant, Quality, Unit
from synth.truth import Matrices, Posed, Window, frame_size, person_truth, whole_frame, window_round
from synth.walks import CYCLE_M, Walker

CONTEXT = 0.1  # of the person's height, shown on every side
NEAR_M = 0.3  # nobody is shot who comes nearer to the camera
MOMENT_S = 0.01  # over which velocities are taken
Worn = tuple[int, int]  # a pid and which of their appearances
FRAME_STEP = 60  # whole frames are kept at 960 x 540
STRIP_PX, OVERLAP_PX = 320, 24


class Studio:
    """Blender's scene with one unit's place in it, and a folder in memory through which pictures come back."""

    def __init__(self, unit: Unit, quality: Quality, folder: Path, device: str = "cpu"):
        self.unit, self.quality, self.folder = unit, quality, folder
        self.place: Place = load_place(unit.place)
        self.light = light(unit.weather, unit.hour, rng(*unit.key, "sky"))
        self.scene = open_scene(quality.samples, quality.denoise, device)
        self.hazy = self.light.weather.visibility_m is not None and not self.place.indoors
        self.scene.view_layers[0].use_pass_z = self.hazy
        set_up(self.place, (unit.seed, unit.world, unit.place), self.light)
        self.middles: dict[int, float] = {}
        self.flash = False

    def view(self, camera: Camera) -> Viewpoint:
        return self.place.viewpoints[camera.viewpoint]

    def render(self, view: Viewpoint, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Renders a window of the frame, one that is wide in strips, since denoising takes much memory.

        Returns:
            light (H, W, 3) float32 linear, indices (H, W) uint8 of the objects at the pixels' first sample.
        """
        strips = []
        for x0 in range(window.x0, window.x1, STRIP_PX):
            x1 = min(x0 + STRIP_PX, window.x1)
            more = replace(window, x0=max(x0 - OVERLAP_PX, window.x0), x1=min(x1 + OVERLAP_PX, window.x1))
            strips.append([pixels[:, x0 - more.x0 : x1 - more.x0] for pixels in self._strip(view, more)])
        light_, indices = (np.concatenate(parts, axis=1) for parts in zip(*strips, strict=True))
        return light_, indices

    def _strip(self, view: Viewpoint, window: Window) -> tuple[np.ndarray, np.ndarray]:
        aim(self.scene, view)
        width, height = frame_size(window.step)
        render = self.scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        # Blender keeps these in 32 bits and cuts off what follows the point: aim at the middle of the edge's pixel.
        render.border_min_x, render.border_max_x = (window.x0 + 0.5) / width, (window.x1 + 0.5) / width
        render.border_min_y, render.border_max_y = (
            (height - window.y1 + 0.5) / height,
            (height - window.y0 + 0.5) / height,
        )
        path = self.folder / "region.exr"
        render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name.partition(".")[2]: channel.pixels for name, channel in file.channels().items()}
        colour = np.stack([channels[f"Combined.{c}"] for c in "RGB"], axis=-1).astype(np.float32)
        assert colour.shape == (*window.size[::-1], 3), f"{window} came back as {colour.shape}"
        if self.hazy:
            colour = haze(colour, channels["Depth.Z"].astype(np.float32), self.light)
        return colour, channels["IndexOB.X"].astype(np.uint8)

    def middle(self, viewpoint: int) -> float:
        """Geometric mean of the luminance of a viewpoint's empty view."""
        if viewpoint not in self.middles:
            width, height = frame_size(3)
            colour, _ = self.render(self.place.viewpoints[viewpoint], Window(3, 0, height // 3, width, height))
            grey = np.maximum(colour @ np.array([0.2126, 0.7152, 0.0722], np.float32), 1e-4)
            self.middles[viewpoint] = float(np.exp(np.log(grey).mean()))
        return self.middles[viewpoint]

    def exposure(self, camera: Camera) -> tuple[float, float]:
        """The factor of a camera's automatic exposure, and how long it exposes in seconds."""
        factor = automatic_exposure(self.middle(camera.viewpoint))
        return factor, exposure_time_s(camera.traits, factor)

    def picture(self, camera: Camera, window: Window, key: str, cast: list[Posed]) -> tuple[np.ndarray, np.ndarray]:
        """A camera's picture (H, W, 3) uint8 of a cast and its instance indices (H, W), of the exposure's middle."""
        light_, indices = self.render(self.view(camera), window)
        exposure, seconds = self.exposure(camera)
        if seconds:
            light_ = smeared(light_, indices, cast, seconds, window, camera_matrices(self.view(camera)))
        if self.light.weather.rain and not self.place.indoors:
            light_ = streaks(light_, self.light.weather.rain, window.scale, f"{self.unit.key}{key}")
        return develop(light_, exposure, camera.traits, window.scale, f"{self.unit.key}{key}"), indices

    def lightning(self, instant: Instant) -> None:
        """Lights the place by a flash, or not, as the weather has it at an instant."""
        random = rng(*self.unit.key, "lightning", instant.frame)
        self.flash = not self.place.indoors and bool(random.random() < self.light.weather.flashes)
        flash(self.flash, float(random.uniform(0, 360)))

    def circumstances(self, camera: Camera, matrices: Matrices) -> dict[str, Any]:
        """The part of the truth that all pictures of a camera share."""
        return {
            "world": self.unit.world,
            "place": self.unit.place,
            "viewpoint": camera.viewpoint,
            "camid": camera.camid,
            "weather": self.unit.weather,
            "hour": self.unit.hour,
            "lightning": self.flash,
            "luminance": self.middle(camera.viewpoint),
            "sun": {"azimuth_deg": self.light.sun_azimuth_deg, "elevation_deg": self.light.sun_elevation_deg},
            "camera": {name: m.tolist() for name, m in zip("KRt", matrices)},
        }


def unit_pictures(
    unit: Unit,
    looks: dict[int, dict],
    quality: Quality,
    progress: Callable[[str], None],
    folder: Path,
    device: str = "cpu",
    tiers: Tiers = OURS,
) -> Iterator[Picture]:
    """Renders a unit: its shots in the plan's order, and between them the full frames.

    Args:
        looks: its people's looks by pid.
        progress: called after each shot with the reason why it was dropped, or nothing.
        folder: for passing files, best in memory.
        tiers: what the looks are made of besides our own.
    """
    studio = Studio(unit, quality, folder, device)
    try:
        for viewpoint in sorted({sight.camera.viewpoint for instant in unit.instants for sight in instant.sights}):
            studio.middle(viewpoint)
        for camera in unit.empty:
            yield _frame(studio, camera, unit.instants[0].frame, [])
        people: dict[Worn, tuple[Person, bpy.types.Object]] = {}
        for instant in unit.instants:
            wanted = {(w.pid, w.variation): appearance(looks[w.pid], w.variation) for w in instant.walkers}
            _change_cast(studio, people, wanted, tiers)
            studio.lightning(instant)
            exposed = any(sight.camera.traits.shutter_s for sight in instant.sights)
            cast = [
                _posed(walker, k, exposed, wanted[walker.pid, walker.variation], *people[walker.pid, walker.variation])
                for k, walker in enumerate(instant.walkers, 1)
            ]
            for sight in instant.sights:
                for posed in cast:
                    if posed.walker.pid in sight.pids:
                        shot = _shot(studio, instant, sight.camera, posed, cast, looks[posed.walker.pid])
                        progress(shot if isinstance(shot, str) else "")
                        if not isinstance(shot, str):
                            yield shot
                if sight.full:
                    yield _frame(studio, sight.camera, instant.frame, cast)
    finally:
        forget(studio.scene)
        trim()


def _change_cast(studio: Studio, people: dict, wanted: dict[Worn, dict], tiers: Tiers) -> None:
    """Takes out those who leave, and builds those who come."""
    gone = [worn for worn in people if worn not in wanted]
    if gone:
        forget(studio.scene)
    for worn in gone:
        remove(people.pop(worn)[1])
    for worn, look in wanted.items():
        if worn not in people:
            person = build(look, tiers)
            item = person_object(f"person-{worn[0]}", person, person.vertices, studio.quality.fine)
            people[worn] = (replace(person, finish=None), item)
    trim()


def _posed(walker: Walker, instance: int, exposed: bool, look: dict, person: Person, item: bpy.types.Object) -> Posed:
    """Args: exposed: whether a camera exposes so long that movements show."""
    walker = replace(walker, action=possible(look, walker.action))
    vertices, marks = pose(person, stance(look, walker.action, walker.phase))
    velocity = None
    if walker.speed_m_s and exposed:
        later, _ = pose(person, stance(look, walker.action, walker.phase + walker.speed_m_s * MOMENT_S / CYCLE_M))
        moved = (later - vertices) / MOMENT_S - [0, walker.speed_m_s, 0]  # a person at heading 0 goes along -y
        velocity = _stand(moved, replace(walker, at=(0.0, 0.0)))
    posed = Posed(walker, person, _stand(vertices, walker), velocity, _stand(marks, walker), instance)
    move(item, posed.vertices)
    item.pass_index = instance
    return posed


def _stand(points: np.ndarray, walker: Walker) -> np.ndarray:
    c, s = np.cos(walker.heading_rad), np.sin(walker.heading_rad)
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + [*walker.at, 0.0]


def _shot(studio: Studio, instant: Instant, camera: Camera, posed: Posed, cast: list[Posed], look: dict) -> Shot | str:
    """A shot, or the reason why there is none."""
    view, walker = studio.view(camera), posed.walker
    matrices = camera_matrices(view)
    pixels, depth = project(posed.vertices, matrices)
    if depth.min() < NEAR_M:
        return "near"
    window = window_round([*pixels.min(0), *pixels.max(0)], studio.quality.height_px, CONTEXT, camera.traits.resolution)
    if window is None:
        return "outside"
    key = f"{walker.pid:05d}_c{camera.camid:02d}s{camera.viewpoint:02d}_{instant.frame:06d}_00"
    picture, indices = studio.picture(camera, window, key, cast)
    seen = person_truth(posed, pixels, indices, window, matrices)
    if seen is None:
        return "hidden"
    boxes = [(other, box_of(indices == other.instance)) for other in cast if other is not posed]
    truth = {
        "key": key,
        **studio.circumstances(camera, matrices),
        "pid": walker.pid,
        "tracklet": instant.tracklet,
        "frame": instant.frame,
        **seen,
        "region": window.region,
        "scale": window.scale,
        "instance": posed.instance,
        "keypoints_3d": posed.marks.tolist(),
        "blur_px": _blur_px(posed, studio.exposure(camera)[1], matrices),
        "azimuth_deg": azimuth_deg(np.array(walker.at), walker.heading_rad, np.array(view.at[:2])),
        "body": {
            "shape": look["shape"],
            "gait": look["gait"],
            **({"betas": look["betas"]} if "betas" in look else {}),
            "phase": walker.phase,
            "at": list(walker.at),
            "heading_rad": walker.heading_rad,
        },
        "attributes": attributes(appearance(look, walker.variation)),
        "action": walker.action,
        "variation": walker.variation,
        "speed_m_s": walker.speed_m_s,
        "nearest_m": min(
            (_apart_m(walker, other) for other in instant.walkers if other.pid != walker.pid), default=None
        ),
        "others": [
            {"pid": other.walker.pid, "instance": other.instance, "box": window.to_frame(box)}
            for other, box in boxes
            if box
        ],
    }
    return Shot(truth, jpeg(picture), png(indices))


def _blur_px(posed: Posed, seconds: float, matrices: Matrices) -> float:
    """How far a person moves in the frame while the camera exposes: the median over them."""
    if posed.velocity is None or not seconds:
        return 0.0
    before, after, _ = way(posed, seconds, matrices, every=16)
    return float(np.median(np.linalg.norm(after - before, axis=1)))


def _apart_m(one: Walker, other: Walker) -> float:
    return float(np.hypot(*np.subtract(one.at, other.at)))


def _frame(studio: Studio, camera: Camera, frame: int, cast: list[Posed]) -> Frame:
    """A camera's whole frame with everyone in it."""
    matrices, window = camera_matrices(studio.view(camera)), whole_frame(FRAME_STEP)
    key = f"{'full' if cast else 'empty'}_c{camera.camid:02d}s{camera.viewpoint:02d}_{frame:06d}"
    picture, indices = studio.picture(camera, window, key, cast)
    seen = [(p, person_truth(p, project(p.vertices, matrices)[0], indices, window, matrices)) for p in cast]
    truth = {
        "key": key,
        **studio.circumstances(camera, matrices),
        "frame": frame,
        "scale": window.scale,
        "people": [{"pid": p.walker.pid, "instance": p.instance, **shown} for p, shown in seen if shown],
    }
    return Frame(truth, jpeg(picture), png(indices))
