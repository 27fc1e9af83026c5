"""numpy meshes to Blender objects."""

import bpy
import numpy as np

from synth.person.person import Person

RELIEF_M = 0.012  # height of the whole range of a texture's relief
SHINE = 0.65  # specular level of what has no roughness


def mesh_object(
    name: str,
    vertices: np.ndarray,
    faces: np.ndarray,
    uv: np.ndarray | None,
    material: bpy.types.Material,
    smooth: bool,
) -> bpy.types.Object:
    """An object of triangles.

    Args:
        vertices: (N, 3). faces: (F, 3). uv: (F, 3, 2) corners or None.
    """
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.loops.add(faces.size)
    mesh.polygons.add(len(faces))
    _fill(mesh, "position", "vector", vertices)
    _fill(mesh, ".corner_vert", "value", faces)
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    if not smooth:
        mesh.polygons.foreach_set("use_smooth", np.zeros(len(faces), bool))
    if uv is not None:
        mesh.uv_layers.new(name="uv")
        _fill(mesh, "uv", "vector", uv)
    mesh.update(calc_edges=True)
    mesh.materials.append(material)
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def _fill(mesh: bpy.types.Mesh, attribute: str, field: str, values: np.ndarray) -> None:
    """Sets an attribute that a mesh has at once; by the elements' own properties it takes a hundred times as long."""
    kind = np.int32 if field == "value" else np.float32
    mesh.attributes[attribute].data.foreach_set(field, np.ascontiguousarray(values, kind).ravel())


def image(name: str, picture: np.ndarray) -> bpy.types.Image:
    """A packed sRGB image from (H, W, 3) or (H, W, 4) uint8; a fourth channel is kept apart from the colour."""
    height, width, channels = picture.shape
    made = bpy.data.images.new(name, width, height, alpha=channels == 4)
    made.alpha_mode = "CHANNEL_PACKED"
    rgba = np.ones((height, width, 4), np.float32)
    np.multiply(picture[::-1], np.float32(1 / 255), out=rgba[..., :channels])
    made.pixels.foreach_set(rgba.ravel())
    made.update()
    return made


def person_object(name: str, person: Person, vertices: np.ndarray, fine: bool = True) -> bpy.types.Object:
    """A person as one object with one material: texture times vertex colour, relief from the texture's fourth channel,
    roughness by vertex.

    Args:
        fine: with the texture as large as it is painted, or half of it, which takes a quarter of the memory.
    """
    finish = person.finish
    assert finish is not None, f"{name} has none left"
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    texture, colour, rough, product, bump, shine = (
        nodes.new(f"ShaderNode{kind}") for kind in ("TexImage", "Attribute", "Attribute", "Mix", "Bump", "Math")
    )
    texture.image = image(name, finish.atlas if fine else _halved(finish.atlas))
    colour.attribute_name, rough.attribute_name = "colour", "roughness"
    product.data_type, product.blend_type = "RGBA", "MULTIPLY"
    product.inputs["Factor"].default_value = 1.0
    bump.inputs["Distance"].default_value, bump.inputs["Strength"].default_value = RELIEF_M, 1.0
    links.new(texture.outputs["Color"], product.inputs["A"])
    links.new(colour.outputs["Color"], product.inputs["B"])
    links.new(product.outputs["Result"], shader.inputs["Base Color"])
    links.new(rough.outputs["Fac"], shader.inputs["Roughness"])
    links.new(texture.outputs["Alpha"], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    shine.operation = "MULTIPLY_ADD"  # rough cloth has no sheen but its colour's
    shine.inputs[1].default_value, shine.inputs[2].default_value = -SHINE, SHINE
    links.new(rough.outputs["Fac"], shine.inputs[0])
    links.new(shine.outputs["Value"], shader.inputs["Specular IOR Level"])
    item = mesh_object(name, vertices, person.faces, finish.uv, material, smooth=True)
    tint = np.ones((len(vertices), 4), np.float32)
    tint[:, :3] = finish.colour
    item.data.attributes.new("colour", "FLOAT_COLOR", "POINT").data.foreach_set("color", tint.ravel())
    item.data.attributes.new("roughness", "FLOAT", "POINT").data.foreach_set("value", finish.roughness)
    return item


def _halved(picture: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 -> (H / 2, W / 2, C): means of four. A library's would weigh colour by the fourth channel."""
    rows = np.add(picture[::2], picture[1::2], dtype=np.uint16)
    return ((rows[:, ::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


def move(item: bpy.types.Object, vertices: np.ndarray) -> None:
    """Gives an object's mesh new vertex positions (N, 3)."""
    _fill(item.data, "position", "vector", vertices)
    item.data.update()


def remove(item: bpy.types.Object) -> None:
    """Removes a person's object with its mesh, material and image."""
    mesh = item.data
    materials = list(mesh.materials)
    bpy.data.objects.remove(item)
    bpy.data.meshes.remove(mesh)
    for material in materials:
        pictures = [node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE" and node.image]
        bpy.data.materials.remove(material)
        for picture in pictures:
            bpy.data.images.remove(picture)
