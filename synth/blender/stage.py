"""The Blender scene of one place in one light: settings, surfaces, sky, cameras."""

import math
from functools import lru_cache

import bpy
import numpy as np
from mathutils import Matrix

from opengspr.randomness import rng
from scenes.mesh import Lamp, Mesh
from scenes.places import SENSOR_MM, Place, Viewpoint, build_place, camera_matrices
from scenes.sky import Light
from scenes.surfaces import SURFACES
from synth.blender import devices
from synth.blender.meshes import image, mesh_object

VARIANTS = {"poster": 8, "painting": 8, "facade": 3, "skyline": 3, "shops": 3}  # textures of a surface in a place
STREET_LAMP = 0.25  # of its watts, so that what is beneath is not burnt out
NIGHT_GLOW = 0.12  # of lit windows and signs, per what they reflect in full sun
WET_ROUGHNESS, WET_DARK = 0.26, 0.72
SOAKED = ("sand", "gravel", "grass", "dirt")  # no water stands on these
CITY_GLOW = 20.0  # of the lit windows outside, seen from inside
NIGHT_PANE = 0.2  # what is seen of the outside through a window at night
FLASH = 1.0  # of lightning; the sun has pi


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
    cycles.transparent_max_bounces, cycles.transmission_bounces = 4, 0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.use_denoising, cycles.denoiser = denoise, "OPENIMAGEDENOISE"
    cycles.denoising_quality = "BALANCED"  # fast denoising keeps what few samples leave, as grit
    cycles.denoising_prefilter, cycles.denoising_input_passes = "NONE", "RGB_ALBEDO"
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
    forgotten first, or the next one at that address shows the old pixels.
    """
    scene.render.use_persistent_data = False
    scene.render.use_persistent_data = True


def set_up(place: Place, look: tuple, light: Light) -> None:
    """Puts a place and its light into the scene.

    Args:
        look: key of the random choices of colours and patterns, e.g. (seed, world, place).
    """
    materials: dict[tuple, bpy.types.Material] = {}
    made = build_place(place, rng(*look, "pieces"))
    for k, mesh in enumerate(one for one in made if isinstance(one, Mesh)):
        key = (*look, mesh.surface, k % VARIANTS.get(mesh.surface, 1))
        material = _surface(mesh, key, light, place.indoors, materials)
        mesh_object(f"piece-{k}", mesh.vertices, mesh.faces, mesh.uv, material, mesh.smooth)
    _sky(light, 0.25 if place.indoors else 1.0)
    if not place.indoors and light.sun.max() > 0:
        _sun(light)
    lamps = [one for one in made if isinstance(one, Lamp)] + [
        Lamp((x, y, z), watts, 1.5, (1.0, 1.0, 1.0), always=True) for x, y, z, watts in place.lamps
    ]
    shining = [(lamp, 1.0 if lamp.always or place.indoors else STREET_LAMP * light.dark) for lamp in lamps]
    shining = [(lamp, share) for lamp, share in shining if share > 0]
    bpy.context.scene.cycles.use_light_tree = bool(shining)  # choosing among lights pays where there are several
    for lamp, share in shining:
        data = bpy.data.lights.new("lamp", "AREA")
        data.energy, data.size, data.color = lamp.watts * share, lamp.size_m, lamp.colour
        holder = bpy.data.objects.new("lamp", data)
        holder.location, holder.visible_glossy = lamp.at, False  # its mirror image on wet ground is a burnt-out blot
        bpy.context.scene.collection.objects.link(holder)


def aim(scene: bpy.types.Scene, view: Viewpoint) -> None:
    """Points the camera."""
    _, rotation, _ = camera_matrices(view)
    matrix = np.eye(4)
    matrix[:3, :3] = (rotation * np.array([[1], [-1], [-1]])).T
    matrix[:3, 3] = view.at
    scene.camera.matrix_world = Matrix(matrix)
    scene.camera.data.lens = view.focal_mm


def _surface(
    mesh: Mesh, key: tuple, light: Light, indoors: bool, made: dict[tuple, bpy.types.Material]
) -> bpy.types.Material:
    wet = mesh.ground and not indoors and light.weather.rain > 0
    night = CITY_GLOW * light.dark if mesh.window else 0.0 if indoors else NIGHT_GLOW * light.dark
    daylight = min(1.0, light.irradiance / 0.3)
    glow, colour = (
        (mesh.glow * max(0.04, daylight), (max(NIGHT_PANE, daylight),) * 3) if mesh.window else (mesh.glow, mesh.colour)
    )
    whole = (*key, colour, mesh.roughness, glow, wet, mesh.clear, mesh.mirror)
    if whole in made:
        return made[whole]
    painted = _painted(mesh.surface, key)
    lit = painted.shape[2] == 4 and night > 0
    name = "-".join(map(str, (*key, colour, wet)))
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader, texture = nodes["Principled BSDF"], nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.get(name) or image(name, _tinted(painted, colour, wet)[..., : 4 if lit else 3])
    links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = mesh.roughness if not wet or mesh.surface in SOAKED else WET_ROUGHNESS
    shader.inputs["Specular IOR Level"].default_value = 0.5 if wet else 0.3
    shader.inputs["Metallic"].default_value = 1.0 if mesh.mirror else 0.0
    if glow or lit:
        links.new(texture.outputs["Color"], shader.inputs["Emission Color"])
        material.cycles.emission_sampling = "NONE"  # large and even: found by chance often enough
        shader.inputs["Emission Strength"].default_value = glow
    if lit:
        strength = nodes.new("ShaderNodeMath")
        strength.operation = "MULTIPLY_ADD"
        links.new(texture.outputs["Alpha"], strength.inputs[0])
        strength.inputs[1].default_value, strength.inputs[2].default_value = night, glow
        links.new(strength.outputs["Value"], shader.inputs["Emission Strength"])
    if mesh.clear:
        through, mix = nodes.new("ShaderNodeBsdfTransparent"), nodes.new("ShaderNodeMixShader")
        mix.inputs[0].default_value = mesh.clear
        links.new(shader.outputs["BSDF"], mix.inputs[1])
        links.new(through.outputs["BSDF"], mix.inputs[2])
        links.new(mix.outputs["Shader"], nodes["Material Output"].inputs["Surface"])
    made[whole] = material
    return material


@lru_cache(maxsize=32)
def _painted(surface: str, key: tuple) -> np.ndarray:
    """Kept, since a process mostly goes from one unit to another of the same place."""
    return SURFACES[surface](rng(*key))


def _tinted(painted: np.ndarray, colour: tuple[float, ...] | None, wet: bool) -> np.ndarray:
    """A surface (H, W, C) uint8 in its colour; what is wet is darker."""
    if colour is None and not wet:
        return painted
    factor = np.ones(painted.shape[2])
    factor[:3] = (1.0 if colour is None else np.array(colour)) * (WET_DARK if wet else 1.0)
    return np.round(painted * factor).astype(np.uint8)


def flash(on: bool, azimuth_deg: float) -> None:
    """Lightning from a direction, or its end."""
    holder = bpy.data.objects.get("flash")
    if holder is None and not on:
        return
    if holder is None:
        data = bpy.data.lights.new("flash", "SUN")
        data.angle, data.color = math.radians(12), (0.8, 0.88, 1.0)
        holder = bpy.data.objects.new("flash", data)
        bpy.context.scene.collection.objects.link(holder)
    holder.data.energy = FLASH if on else 0.0
    holder.rotation_euler = (math.radians(50), 0, math.radians(azimuth_deg))


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
