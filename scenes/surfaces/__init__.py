"""Baked surface textures for places (numpy, 8-bit sRGB). To add one, add a function with `@surface`."""

from scenes.surfaces import ground, things, walls  # noqa: F401 (they register their surfaces)
from scenes.surfaces.painting import METRES, SURFACES

__all__ = ["METRES", "SURFACES"]
