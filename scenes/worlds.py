"""Worlds: who is seen where, by which cameras, in what light. One YAML file each in `scenes/worlds/`.

A world is one capture. `GROUPS` names sets of worlds that belong together and are rendered by one command.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from opengspr import UserError
from opengspr.config import NUMBER, check, numbers, read_yaml
from scenes.places import Place, check_walkers, load_place, place_names
from scenes.sky import WEATHERS

FOLDER = Path(__file__).parent / "worlds"
GROUPS = {"demo": ("demo-syn", "demo-src", "demo-tgt"), "labeler": ("labeler-train", "labeler-frames", "labeler-test")}
NEEDED = {"people": int, "wardrobe": str, "split": dict, "cameras": list, "lights": (list, dict)}
OPTIONAL = {
    "about": str,
    "quality": str,
    "in_turn": bool,
    "cameras_at_once": int,
    "rounds": int,
    "per_id": int,
    "unit_shots": int,
    "walkers": list,
    "odd_cameras": NUMBER,
    "collisions": NUMBER,
    "lookalikes": NUMBER,
    "full_frames": NUMBER,
    "empty_frames": NUMBER,
}
BINS = 8  # of three hours
STEPS = (0.7548776662, 0.5698402910)  # 1 / p and 1 / p^2 where p^3 = p + 1 (Roberts 2018)


@dataclass(frozen=True)
class WorldCamera:
    """Attributes: camid; place; viewpoint; traits, fields of `synth.develop.Traits`."""

    camid: int
    place: str
    viewpoint: int
    traits: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Who is seen where, and what is asked of it.

    Attributes:
        people, quality: defaults of the command.
        split: shares of the people: train, and distractors, who are in the gallery only.
        in_turn: whether a place's cameras shoot one group after another, as GSPR's viewpoints do, or all at each
            instant.
        instants: of a cast at a place whose cameras do not shoot in turn.
        lights: (weather, first hour, last hour, share).
        odd_cameras: how far the pictures of each viewpoint differ from an ideal camera's, 0 not at all.
        collisions: share of the people who brush against somebody at each place.
        lookalikes: share of the people who share somebody's clothes.
        cameras: those that shoot; whole: all that the world has, of which they were chosen.
        unit_shots: a unit is whole when it has so many.
        walkers: fewest and most at a time; None leaves it to the place.
        full_frames, empty_frames: shares of the pairs of an instant and a camera of which the whole frame is kept too,
            and as many as which are taken of nobody.
        per_id: pictures of each person, the same number of every camera; 0 for all there are.
        tracklet, stride: each shot is a sequence of so many frames, so many frames apart.
        variations: appearances of each person, who wears one of them at a time.
    """

    name: str
    people: int
    quality: str
    wardrobe: str
    split: dict[str, float]
    in_turn: bool
    cameras_at_once: int
    instants: int
    cameras: tuple[WorldCamera, ...]
    lights: tuple[tuple[str, float, float, float], ...]
    odd_cameras: float
    collisions: float
    lookalikes: float
    whole: tuple[WorldCamera, ...]
    unit_shots: int
    walkers: tuple[int, int] | None
    full_frames: float = 0.01
    empty_frames: float = 0.002
    per_id: int = 0
    tracklet: int = 1
    stride: int = 1
    variations: int = 1

    @property
    def places(self) -> tuple[str, ...]:
        """Those that are rendered."""
        return tuple(dict.fromkeys(camera.place for camera in self.cameras))

    @property
    def itinerary(self) -> tuple[str, ...]:
        """The places that people go to, whichever of them are rendered."""
        return tuple(dict.fromkeys(camera.place for camera in self.whole))

    def rounds(self, place: str) -> int:
        """Instants of a cast at a place."""
        return self._rounds(sum(camera.place == place for camera in self.cameras))

    @property
    def most_rounds(self) -> int:
        """Instants of a cast at any place, were all its cameras to shoot."""
        return self._rounds(max(Counter(camera.place for camera in self.whole).values()))

    def _rounds(self, cameras: int) -> int:
        return -(-cameras // self.cameras_at_once) if self.in_turn else self.instants

    def walkers_in(self, place: Place) -> tuple[int, int]:
        """Fewest and most people in a place at a time."""
        return self.walkers or place.walkers

    def light(
        self, place: str, number: int, start: np.random.Generator, random: np.random.Generator
    ) -> tuple[str, float]:
        """Weather and hour of a place's unit. However few units there are, the shares are kept as well as may be: steps
        that never meet go evenly through the weathers, and through the hours of each.

        Args:
            place: of the unit. number: of the unit in its place. start: the same for all units. random: the unit's own.
        """
        number = number * len(self.itinerary) + self.itinerary.index(place)
        u, v = (start.random(2) + number * np.array(STEPS)) % 1
        weathers = [*dict.fromkeys(weather for weather, *_ in self.lights)]
        weather = weathers[
            _picked([sum(light[3] for light in self.lights if light[0] == name) for name in weathers], u)
        ]
        spans = [light for light in self.lights if light[0] == weather]
        _, first, last, _ = spans[_picked([light[3] for light in spans], v)]
        return weather, float(np.round(random.uniform(first, last), 2))


def _picked(shares: list[float], at: float) -> int:
    """Which of some shares, laid end to end, lies at 0 to 1 of their length."""
    upto = np.cumsum(shares)
    return int(np.searchsorted(upto, at * upto[-1], "right"))


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
    raw = read_yaml(path)
    check(path, "world", raw, NEEDED, OPTIONAL)
    check(path, "split", raw["split"], {"train": NUMBER}, {"distractors": NUMBER})
    if min(raw["split"].values()) < 0 or sum(raw["split"].values()) > 1:
        raise UserError(f"{path}: split is {raw['split']}, wanted shares from 0 to 1 of the people")
    for key in ("collisions", "lookalikes", "full_frames", "empty_frames"):
        if not 0 <= raw.get(key, 0) <= 1:
            raise UserError(f"{path}: {key} is {raw[key]}, wanted a share from 0 to 1")
    for key in ("people", "per_id", "cameras_at_once", "rounds", "unit_shots"):
        if raw.get(key, 1) < 1:
            raise UserError(f"{path}: {key} is {raw[key]}, wanted at least 1")
    for key in ("cameras", "lights"):
        if not raw[key]:
            raise UserError(f"{path}: {key} is empty")
    walkers = raw.get("walkers")
    if walkers is not None:
        check_walkers(path, walkers)
    cameras = [camera for camid, entry in enumerate(raw["cameras"]) for camera in _cameras(path, camid, entry)]
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
        lights=tuple(_lights(path, raw["lights"])),
        odd_cameras=float(raw.get("odd_cameras", 0.0)),
        collisions=float(raw.get("collisions", 0.0)),
        lookalikes=float(raw.get("lookalikes", 0.0)),
        whole=tuple(cameras),
        per_id=int(raw.get("per_id", 0)),
        unit_shots=int(raw.get("unit_shots", 120)),
        walkers=tuple(walkers) if walkers else None,
        full_frames=float(raw.get("full_frames", World.full_frames)),
        empty_frames=float(raw.get("empty_frames", World.empty_frames)),
    )


def _lights(path: Path, raw: list | dict) -> Iterator[tuple[str, float, float, float]]:
    """Weathers, spans of hours and their shares: a list of such, or a table of weathers and one of times of day."""
    if isinstance(raw, list):
        for entry in raw:
            check(path, "light", entry, {"weather": str, "hour": NUMBER}, {"share": NUMBER})
            if not 0.5 <= entry["hour"] <= 23.5 or entry.get("share", 1) <= 0:
                raise UserError(f"{path}: light {entry}: wanted an hour from 0.5 to 23.5 and a share above 0")
            yield _weather(path, entry["weather"]), entry["hour"] - 0.5, entry["hour"] + 0.5, entry.get("share", 1)
        return
    check(path, "lights", raw, {"weathers": dict, "hours": list}, {})
    hours = numbers(path, "lights: hours", raw["hours"], BINS)
    check(path, "lights: weathers", raw["weathers"], {}, dict.fromkeys(raw["weathers"], NUMBER))
    if min([*hours, *raw["weathers"].values()], default=-1) < 0 or not any(hours) or not any(raw["weathers"].values()):
        raise UserError(f"{path}: lights: wanted shares of 0 and more, and some above")
    for name, share in raw["weathers"].items():
        for k, often in enumerate(hours / hours.sum()):
            if share * often > 0:
                yield _weather(path, name), 24 / BINS * k, 24 / BINS * (k + 1) - 0.01, share * float(often)


def _weather(path: Path, name: str) -> str:
    if name not in WEATHERS:
        raise UserError(f"{path}: unknown weather {name!r}; known: {', '.join(WEATHERS)}")
    return name


def _cameras(path: Path, camid: int, entry: Any) -> list[WorldCamera]:
    """The viewpoints of one entry of `cameras`: they share a camid."""
    check(path, f"camera {camid}", entry, {"place": str}, {"viewpoint": int, "viewpoints": list, "traits": dict})
    if ("viewpoint" in entry) == ("viewpoints" in entry):
        raise UserError(f"{path}: camera {camid}: wanted either viewpoint or viewpoints")
    if entry["place"] not in place_names():
        raise UserError(f"{path}: camera {camid}: no place {entry['place']!r}; known: {', '.join(place_names())}")
    last = len(load_place(entry["place"]).viewpoints) - 1
    views, traits = entry.get("viewpoints", [entry.get("viewpoint")]), dict(entry.get("traits", {}))
    for view in views:
        if not isinstance(view, int) or not 0 <= view <= last:
            raise UserError(f"{path}: camera {camid}: {entry['place']} has no viewpoint {view}, only 0 to {last}")
    check(path, f"camera {camid}: traits", traits, {}, dict.fromkeys(traits, NUMBER))
    return [WorldCamera(camid, entry["place"], view, traits) for view in views]
