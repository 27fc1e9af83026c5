"""What Cycles can render on: the processor, or a graphics card by CUDA or OptiX."""

import bpy

KINDS = ("optix", "cuda")  # the faster first


def available() -> list[str]:
    """The kinds of KINDS for which Blender finds a card."""
    preferences = bpy.context.preferences.addons["cycles"].preferences
    found = []
    for kind in KINDS:
        try:
            devices = preferences.get_devices_for_type(kind.upper())
        except (TypeError, ValueError):  # this build of Blender does not know the kind
            continue
        if any(device.type == kind.upper() for device in devices or ()):
            found.append(kind)
    return found


def use(scene: bpy.types.Scene, device: str) -> None:
    """Renders the scene on `cpu` or a kind that is available, with all cards of the kind."""
    if device == "cpu":
        scene.cycles.device = "CPU"
        return
    preferences = bpy.context.preferences.addons["cycles"].preferences
    preferences.compute_device_type = device.upper()
    for card in preferences.get_devices_for_type(device.upper()):
        card.use = card.type == device.upper()
    scene.cycles.device = "GPU"
