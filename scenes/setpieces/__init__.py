"""Set pieces: the things places are built of, as textured triangle meshes and lamps (numpy).

Each maker takes a generator and the piece's numbers from the place's YAML and returns its parts round the origin,
front towards -y, standing on z = 0. To add a set piece, add a function to one of these files.
"""

import inspect
from collections.abc import Callable

from scenes.mesh import Made
from scenes.setpieces import buildings, ground, leisure, nature, rooms, sites, sport, street, vehicles

Maker = Callable[..., Made]
SET_PIECES: dict[str, Maker] = {
    name: maker
    for module in (ground, buildings, nature, street, vehicles, rooms, leisure, sport, sites)
    for name, maker in inspect.getmembers(module, inspect.isfunction)
    if maker.__module__ == module.__name__ and "random" in inspect.signature(maker).parameters and name[0] != "_"
}
