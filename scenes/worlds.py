"""Worlds: who is seen where, by which cameras, in what light. One YAML file each in `scenes/worlds/`.

A world is one capture. `GROUPS` names sets of worlds that belong together and are rendered by one command.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from opengspr import UserError
from scenes.places import load_place
from scenes.sky import WEATHERS

FOLDER = Path(__file__).parent / "worlds"
GROUPS = {"demo": ("demo-syn", "demo-src", "demo-tgt")}
KEYS = "about people seed quality wardrobe split in_turn cameras_at_once rounds cameras lights".split()


@dataclass(frozen=True)
class WorldCamera:
    """Attributes: camid; place; viewpoint; traits, fields of `synth.develop.Traits`."""

    camid: int
    place: str
    viewpoint: int
    traits: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Attributes: people and quality, defaults of the command; wardrobe; split, shares of the people; in_turn,
    whether a place's cameras shoot one
    group after another (as GSPR's viewpoints do) or all at every instant; lights, (weather, hour, share) outdoors."""

    name: str
    people: int
    quality: str
    wardrobe: str
    split: dict[str, float]
    in_turn: bool
    cameras_at_once: int
    instants: int
    cameras: tuple[WorldCamera, ...]
    lights: tuple[tuple[str, float, float], ...]
    places: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", tuple(dict.fromkeys(camera.place for camera in self.cameras)))

    def rounds(self, cameras: int) -> int:
        """Instants of a cast at a place with so many cameras."""
        return -(-cameras // self.cameras_at_once) if self.in_turn else self.instants

    def light(self, random: np.random.Generator, indoors: bool) -> tuple[str, float]:
        """Weather and hour of a unit, drawn by the shares; the hour moves by half an hour either way."""
        shares = np.array([share for _, _, share in self.lights])
        weather, hour, _ = self.lights[int(random.choice(len(shares), p=shares / shares.sum()))]
        return weather, float(np.round(hour + random.uniform(-0.5, 0.5), 2))


def world_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def worlds_of(preset: str) -> tuple[str, ...]:
    """Names of the worlds of a preset: a group or a single world."""
    if preset in GROUPS:
        return GROUPS[preset]
    if preset not in world_names():
        raise UserError(f"--preset: got {preset!r}, wanted one of {', '.join([*GROUPS, *world_names()])}")
    return (preset,)


def load_world(name: str) -> World:
    """Reads `scenes/worlds/NAME.yaml`. Raises UserError naming the file and what is wrong in it."""
    path = FOLDER / f"{name}.yaml"
    raw = yaml.safe_load(path.read_text())
    unknown = [key for key in raw if key not in KEYS]
    if unknown:
        raise UserError(f"{path.name}: unknown key {unknown[0]!r}; known: {', '.join(KEYS)}")
    lights = tuple((entry["weather"], float(entry["hour"]), float(entry.get("share", 1))) for entry in raw["lights"])
    for weather, _, _ in lights:
        if weather not in WEATHERS:
            raise UserError(f"{path.name}: unknown weather {weather!r}; known: {', '.join(WEATHERS)}")
    cameras: list[WorldCamera] = []
    for entry in raw["cameras"]:
        load_place(entry["place"])
        traits = dict(entry.get("traits", {}))
        views = entry["viewpoints"] if "viewpoints" in entry else [entry["viewpoint"]]
        camid = len({camera.camid for camera in cameras})
        cameras += [WorldCamera(camid, entry["place"], int(view), traits) for view in views]
    return World(
        name=name,
        people=int(raw["people"]),
        quality=str(raw.get("quality", "good")),
        wardrobe=str(raw["wardrobe"]),
        split={key: float(value) for key, value in raw["split"].items()},
        in_turn=bool(raw.get("in_turn", False)),
        cameras_at_once=int(raw.get("cameras_at_once", 2)),
        instants=int(raw.get("rounds", 2)),
        cameras=tuple(cameras),
        lights=lights,
    )
