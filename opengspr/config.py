"""YAML files that people write: read safely, and refused in one line that says what is wrong where."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from opengspr.command import UserError

MOST_BYTES = 1 << 20
NUMBER = (int, float)
Types = Mapping[str, Any]  # the type of each key's value, or a tuple of types


class _Loader(yaml.SafeLoader):
    """The safe loader, which makes plain values only; refuses a key that comes twice, of which YAML takes the later."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping without doubles."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        double = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if double is not None:
            raise yaml.YAMLError(f"key {double!r} comes twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


# What the loader raises at values that it cannot make, besides its own error
_ODD = (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


def read_yaml(path: Path) -> dict[Any, Any]:
    """A YAML file that holds a mapping.

    Raises:
        UserError: too large, not YAML, a key twice, not a mapping. OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UserError(f"{path}: wanted at most {MOST_BYTES} bytes")
    try:
        found = yaml.load(data.decode(), _Loader)
    except _ODD as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: wanted a mapping, got {type(found).__name__}")
    return found


def near(key: object, known: Iterable[str]) -> str:
    """What somebody may have meant who wrote an unknown key."""
    names = list(known)
    close = difflib.get_close_matches(str(key), names, 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def check(path: Path, where: str, got: Any, needed: Types, optional: Types) -> None:
    """Refuses what is not a mapping of these keys to values of these types."""
    known = {**needed, **optional}
    if not isinstance(got, dict):
        raise UserError(f"{path}: {where}: got {got!r}, wanted keys and values: {', '.join(known)}")
    for key, value in got.items():
        if key not in known:
            raise UserError(f"{path}: {where}: unknown key {key!r}; {near(key, known)}")
        if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] not in (bool, object)):
            kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
            wanted = "a number" if kinds in ((int,), NUMBER) else " or ".join(kind.__name__ for kind in kinds)
            raise UserError(f"{path}: {where}: {key} is {value!r}, wanted {wanted}")
    for key in needed:
        if key not in got:
            raise UserError(f"{path}: {where}: {key} is missing")


def numbers(path: Path, where: str, got: Any, *shape: int) -> np.ndarray:
    """A list of finite numbers, or of such lists, of this shape; -1 stands for any length but 0."""
    try:
        array = np.array(got, float)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    fits = array.ndim == len(shape) and all(n == wanted or wanted < 0 < n for n, wanted in zip(array.shape, shape))
    if not fits or not np.isfinite(array).all():
        wanted = " x ".join("any number" if n < 0 else str(n) for n in shape)
        raise UserError(f"{path}: {where} is {got!r}, wanted {wanted} numbers")
    return array
