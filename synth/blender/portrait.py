"""People alone before a plain backdrop, for looking at them."""

import math
import tempfile
from functools import lru_cache
from pathlib import Path

import bpy
import numpy as np
import OpenEXR
from mathutils import Euler

from synth.blender.meshes import move, person_object, remove
from synth.blender.stage import forget, open_scene
from synth.develop import tone
from synth.motion import Sitting
from synth.person.person import build, pose, stance
from synth.person.tiers import OURS, Tiers

TALL_M = 2.06  # what a picture shows from top to bottom
AWAY_M = 9.0
HIGH_M = 1.5
SAMPLES = 24


def portraits(look: dict, sittings: list[Sitting], height: int, tiers: Tiers = OURS) -> list[np.ndarray]:
    """Pictures (height, height / 2, 3) uint8 of one person, all at the same scale."""
    scene = _studio()
    scene.render.resolution_x, scene.render.resolution_y = height // 2, height
    person = build(look, tiers)
    item = person_object("person", person, person.vertices)
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for sitting in sittings:
            vertices, _ = pose(person, stance(look, sitting.action, sitting.phase))
            move(item, vertices)
            _aim(scene, math.radians(sitting.azimuth_deg))
            pictures.append(_picture(scene, Path(folder) / "portrait.exr"))
    forget(scene)
    remove(item)
    return pictures


@lru_cache(maxsize=1)
def _studio() -> bpy.types.Scene:
    """A pale floor under a soft sky and a sun that stays at the camera's left."""
    scene = open_scene(SAMPLES, True, "cpu")
    scene.render.use_border = False
    floor = bpy.data.meshes.new("floor")
    floor.from_pydata([(-60, -60, 0), (60, -60, 0), (60, 60, 0), (-60, 60, 0)], [], [(0, 1, 2, 3)])
    material = bpy.data.materials.new("floor")
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.32, 0.32, 0.33, 1)
    material.node_tree.nodes["Principled BSDF"].inputs["Roughness"].default_value = 0.9
    floor.materials.append(material)
    scene.collection.objects.link(bpy.data.objects.new("floor", floor))
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.62, 0.68, 0.76, 1)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.75
    scene.world = world
    sun = bpy.data.lights.new("sun", "SUN")
    sun.energy, sun.angle = 2.6, math.radians(4)
    scene.collection.objects.link(bpy.data.objects.new("sun", sun))
    scene.camera.data.sensor_fit, scene.camera.data.sensor_height = "VERTICAL", 24
    scene.camera.data.lens = 24 * AWAY_M / TALL_M
    return scene


def _aim(scene: bpy.types.Scene, azimuth: float) -> None:
    at = np.array([math.sin(azimuth), -math.cos(azimuth)]) * AWAY_M
    scene.camera.location = (*at, HIGH_M)
    down = math.atan2(HIGH_M - TALL_M / 2 + 0.06, AWAY_M)
    scene.camera.rotation_euler = Euler((math.pi / 2 - down, 0, azimuth))
    scene.objects["sun"].rotation_euler = Euler((math.radians(42), 0, azimuth - math.radians(35)))


def _picture(scene: bpy.types.Scene, path: Path) -> np.ndarray:
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = {name.partition(".")[2]: channel.pixels for name, channel in file.channels().items()}
    light = np.stack([channels[f"Combined.{c}"] for c in "RGB"], axis=-1).astype(float)
    return np.round(255 * np.clip(tone(light), 0, 1)).astype(np.uint8)
