"""Settings of a recipe: a frozen dataclass, layered from its budget, a YAML file, an ablation row and the flags."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro

from opengspr import UserError
from opengspr.config import near, read_yaml
from opengspr.watching import Watched


@dataclasses.dataclass(frozen=True, kw_only=True)
class Common:
    """Flags of all that trains."""

    seed: int = 0
    """Seed of everything random; the same seed gives the same bits on the same machine."""
    budget: Literal["auto", "small", "paper"] = "auto"
    """Settings to start from: `small` fits two CPU cores, `paper` is as published, `auto` goes by the target's size."""
    config: Path | None = None
    """A YAML file with any of these settings, such as the config.yaml of a run. Flags come before it."""
    data_root: Path | None = None
    """Where datasets lie; else $OPENGSPR_DATA, else ./data."""
    runs: Path = Path("runs")
    """Where run folders are made."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    tensorboard: bool = False
    """Write the curves for TensorBoard, too, beside metrics.jsonl."""
    profile: bool = False
    """Write where the time goes, stage by stage: profile-STAGE.txt, and a trace for ui.perfetto.dev."""

    @property
    def watched(self) -> Watched:
        """What is written of a run beside its metrics."""
        return Watched(self.tensorboard, self.profile)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(Common):
    """Flags of every recipe, whose runs have folders of their own."""

    ablation: str | None = None
    """A row of the paper's ablation tables, by its name there; a wrong one lists them."""
    again: bool = False
    """Start anew where a finished run stands, in a folder beside it."""
    force: bool = False
    """Resume although settings, data or device differ from those that the run began with."""
    embed_pictures: bool = False
    """Put pictures of others' datasets into the report, too, instead of links to where they lie on this machine."""


NOT_OF_THE_RESULT = {field.name for field in dataclasses.fields(Run)} - {"seed"}

Recipe = TypeVar("Recipe", bound=Common)
Layer = Mapping[str, Any]


def resolve(
    first: Recipe, args: Sequence[str], small: Layer, ablations: Mapping[str, Layer], is_small: Callable[[Recipe], bool]
) -> Recipe:
    """The settings that hold: the recipe's own < budget < `--config` < `--ablation` < flags.

    Args:
        first: the flags as read without the other layers.
        args: the command line that gave them.
        small: what the small budget changes.
        ablations: rows by name.
        is_small: answers `--budget auto`; gets the settings without the budget's layer.

    Raises:
        UserError: an unknown row, or a bad file.
    """
    row: Layer = {}
    if isinstance(first, Run) and first.ablation is not None:
        if first.ablation not in ablations:
            raise UserError(f"--ablation {first.ablation}: wanted one of: {'; '.join(ablations)}")
        row = ablations[first.ablation]
    kind, file = type(first), read_config(first.config, type(first)) if first.config else {}
    settings = _parsed(kind, {**file, **row}, args)
    if settings.budget == "small" or (settings.budget == "auto" and is_small(settings)):
        settings = _parsed(kind, {**small, **file, **row}, args)
    return settings


def _parsed(kind: type[Recipe], layer: Layer, args: Sequence[str]) -> Recipe:
    return tyro.cli(kind, args=args, default=kind(**layer))


def of_the_result(settings: Common) -> dict[str, Any]:
    """The settings that shape the result, as plain values: what config.yaml holds and the run's hash covers."""
    values = {k: v for k, v in dataclasses.asdict(settings).items() if k not in NOT_OF_THE_RESULT}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def read_config(path: Path, kind: type) -> dict[str, Any]:
    """Reads settings from YAML.

    Raises:
        UserError: no such file, too large, not YAML, a key twice, an unknown key (names the nearest), a wrong type.
    """
    try:
        found = read_yaml(path)
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from error
    hints = typing.get_type_hints(kind)
    for key in found:
        if key not in hints:
            raise UserError(f"{path}: unknown key {key!r}; {near(key, hints)}")
    return {key: _checked(path, key, value, hints[key]) for key, value in found.items()}


def _checked(path: Path, key: str, value: Any, hint: Any) -> Any:
    """The value in the type that the setting has."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal and value in choices:
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in choices:
            return None
        return _checked(path, key, value, next(one for one in choices if one is not type(None)))
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return float(value)  # YAML 1.1 reads 1e-3 as a string
        except ValueError:
            pass
    if isinstance(hint, type) and type(value) is hint:
        return value
    wanted = f"one of {', '.join(map(str, choices))}" if origin is Literal else getattr(hint, "__name__", str(hint))
    raise UserError(f"{path}: {key}: wanted {wanted}, got {value!r}")
