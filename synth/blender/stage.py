"""The Blender scene of one place in one light: settings, surfaces, sky, cameras."""

import math
from functools import lru_cache

import bpy
import numpy as np
from mathutils import Matrix

from scenes.places import SENSOR_MM, Place, Viewpoint, build_place, camera_matrices
from scenes.setpieces import Mesh
from scenes.sky import Light
from scenes.surfaces import SURFACES
from synth.blender import devices
from synth.blender.meshes import image, mesh_object
from synth.randomness import rng

PERSISTENT_PIECES = 3  # textures of one surface in a place


def open_scene(samples: int, denoise: bool, device: str) -> bpy.types.Scene:
    """An empty scene with the engine set for many small, cheap pictures: few samples, denoised, data kept between
    renders.

    Args:
        device: cpu, or a kind of graphics card that Blender finds here.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    devices.use(scene, device)
    cycles.samples, cycles.use_adaptive_sampling = samples, False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 2, 2, 1
    cycles.transparent_max_bounces, cycles.transmission_bounces = 2, 0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.use_denoising, cycles.denoiser = denoise, "OPENIMAGEDENOISE"
    cycles.denoising_quality, cycles.denoising_prefilter, cycles.denoising_input_passes = "FAST", "NONE", "RGB_ALBEDO"
    cycles.seed = 0
    render = scene.render
    render.use_persistent_data, render.threads_mode, render.threads = True, "FIXED", 1
    render.use_border = render.use_crop_to_border = True
    render.image_settings.file_format, render.image_settings.color_depth = "OPEN_EXR_MULTILAYER", "16"
    render.image_settings.exr_codec = "NONE"
    scene.view_layers[0].use_pass_object_index = True
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    scene.camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(scene.camera)
    return scene


def forget(scene: bpy.types.Scene) -> None:
    """Drops what the engine keeps between renders. It knows pictures by their address, so one that is freed must be
    forgotten first, or the next one
    at that address shows the old pixels."""
    scene.render.use_persistent_data = False
    scene.render.use_persistent_data = True


def set_up(place: Place, look: tuple, light: Light) -> None:
    """Puts a place and its light into the scene.

    Args:
        look: key of the random choices of colours and patterns, e.g. (seed, world, place).
    """
    materials: dict[tuple, bpy.types.Material] = {}
    for k, mesh in enumerate(build_place(place, rng(*look, "pieces"))):
        material = _surface(mesh, (*look, mesh.surface, k % PERSISTENT_PIECES), materials)
        mesh_object(f"piece-{k}", mesh.vertices, mesh.faces, mesh.uv, material, mesh.smooth)
    _sky(light, 0.25 if place.indoors else 1.0)
    if not place.indoors and light.sun.max() > 0:
        _sun(light)
    bpy.context.scene.cycles.use_light_tree = bool(place.lamps)  # choosing among lights pays where there are several
    for x, y, z, watts in place.lamps:
        lamp = bpy.data.lights.new("lamp", "AREA")
        lamp.energy, lamp.size = watts, 1.5
        holder = bpy.data.objects.new("lamp", lamp)
        holder.location = (x, y, z)
        bpy.context.scene.collection.objects.link(holder)


def aim(scene: bpy.types.Scene, view: Viewpoint) -> None:
    """Points the camera."""
    _, rotation, _ = camera_matrices(view)
    matrix = np.eye(4)
    matrix[:3, :3] = (rotation * np.array([[1], [-1], [-1]])).T
    matrix[:3, 3] = view.at
    scene.camera.matrix_world = Matrix(matrix)
    scene.camera.data.lens = view.focal_mm


def _surface(mesh: Mesh, key: tuple, made: dict[tuple, bpy.types.Material]) -> bpy.types.Material:
    whole = (*key, mesh.roughness, mesh.glow)
    if whole in made:
        return made[whole]
    name = "-".join(map(str, key))
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader, texture = nodes["Principled BSDF"], nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.get(name) or image(name, _painted(mesh.surface, key))
    links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = mesh.roughness
    shader.inputs["Specular IOR Level"].default_value = 0.3
    if mesh.glow:
        links.new(texture.outputs["Color"], shader.inputs["Emission Color"])
        shader.inputs["Emission Strength"].default_value = mesh.glow
        material.cycles.emission_sampling = "NONE"  # large and even: found by chance often enough
    made[whole] = material
    return material


@lru_cache(maxsize=32)
def _painted(surface: str, key: tuple) -> np.ndarray:
    """Kept, since a process mostly goes from one unit to another of the same place."""
    return SURFACES[surface](rng(*key))


def _sky(light: Light, strength: float) -> None:
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.cycles.sampling_method = "NONE"
    height, width = light.sky.shape[:2]
    picture = bpy.data.images.new("sky", width, height, float_buffer=True)
    picture.colorspace_settings.name = "Linear Rec.709"  # before the pixels: it empties the picture
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = light.sky[::-1]
    picture.pixels.foreach_set(rgba.ravel())
    picture.update()
    nodes, links = world.node_tree.nodes, world.node_tree.links
    texture = nodes.new("ShaderNodeTexEnvironment")
    texture.image = picture
    links.new(texture.outputs["Color"], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = strength


def _sun(light: Light) -> None:
    sun = bpy.data.lights.new("sun", "SUN")
    strength = float(light.sun.max())
    sun.energy, sun.color = strength * math.pi, tuple(light.sun / strength)
    sun.angle = math.radians(light.sun_size_deg)
    holder = bpy.data.objects.new("sun", sun)
    azimuth, elevation = math.radians(light.sun_azimuth_deg), math.radians(light.sun_elevation_deg)
    holder.rotation_euler = (math.pi / 2 - elevation, 0, math.pi - azimuth)
    bpy.context.scene.collection.objects.link(holder)
