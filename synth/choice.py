"""What the flags of the render command choose of a world."""

from dataclasses import dataclass, replace

from opengspr import UserError
from scenes.places import place_names
from scenes.worlds import World
from synth.person.identity import VARIATIONS, WARDROBES
from synth.plan import QUALITIES


@dataclass(frozen=True)
class Choice:
    """The flags of `synth.render` that say what is rendered; None leaves it to the preset."""

    scenes: tuple[str, ...] | None = None
    views: int | None = None
    per_id: int | None = None
    tracklet: int = 1
    stride: int = 4
    quality: str | None = None
    lookalikes: float | None = None
    variations: int = 1


def chosen(world: World, choice: Choice) -> World:
    """The world with what was chosen of it.

    Raises:
        UserError: something that there is not.
    """
    for flag, number in (
        ("--views", choice.views),
        ("--per-id", choice.per_id),
        ("--tracklet", choice.tracklet),
        ("--stride", choice.stride),
        ("--variations", choice.variations),
    ):
        if number is not None and number < 1:
            raise UserError(f"{flag}: got {number}, wanted at least 1")
    lookalikes = world.lookalikes if choice.lookalikes is None else choice.lookalikes
    if not 0 <= lookalikes <= 1:
        raise UserError(f"--lookalikes: got {lookalikes}, wanted a share from 0 to 1")
    if choice.variations > VARIATIONS:
        raise UserError(f"--variations: got {choice.variations}, wanted at most {VARIATIONS}")
    quality = choice.quality or world.quality
    if quality not in QUALITIES:
        raise UserError(f"--quality: got {quality!r}, wanted one of {', '.join(QUALITIES)}")
    if world.wardrobe not in WARDROBES:
        raise UserError(f"world {world.name}: no wardrobe {world.wardrobe!r}; known: {', '.join(WARDROBES)}")
    places = _places(world, choice.scenes)
    cameras = [camera for place in places for camera in _views(world, place, choice.views)]
    return replace(
        world,
        quality=quality,
        cameras=tuple(cameras),
        per_id=choice.per_id or world.per_id,
        tracklet=choice.tracklet,
        stride=choice.stride,
        lookalikes=lookalikes,
        variations=choice.variations,
    )


def _places(world: World, scenes: tuple[str, ...] | None) -> list[str]:
    there = world.itinerary
    if scenes is None:
        return list(there)
    if not scenes:
        raise UserError("--scenes: got nothing, wanted a number of places, or their names")
    if len(scenes) == 1 and scenes[0].isdecimal():
        if not 1 <= int(scenes[0]) <= len(there):
            raise UserError(f"--scenes: got {scenes[0]}, wanted 1 to {len(there)}, the places of {world.name}")
        return list(there[: int(scenes[0])])
    for name in scenes:
        if name not in place_names():
            raise UserError(f"--scenes: no place {name!r}; there are {', '.join(place_names())}")
        if name not in there:
            raise UserError(f"--scenes: {world.name} has no camera in {name!r}, only in {', '.join(there)}")
    return list(dict.fromkeys(scenes))


def _views(world: World, place: str, views: int | None) -> list:
    """The cameras of a place, or so many of them, spread evenly."""
    cameras = [camera for camera in world.cameras if camera.place == place]
    if views is None:
        return cameras
    if views > len(cameras):
        raise UserError(f"--views: got {views}, {world.name} has {len(cameras)} cameras in {place}")
    return [cameras[k * len(cameras) // views] for k in range(views)]
