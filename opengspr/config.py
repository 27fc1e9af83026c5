"""YAML files that people write: read safely, and refused in one line that says what is wrong where."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from opengspr.command import UserError

MOST_BYTES = 1_000_000
NUMBER = (int, float)
Types = Mapping[str, Any]  # the type of each key's value, or a tuple of types


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, where YAML would silently take the later one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(problem=f"{key!r} twice", problem_mark=key_node.start_mark)
            seen.append(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, needed: Types, optional: Types) -> dict[str, Any]:
    """A YAML file with these keys. Raises UserError naming the file and what is wrong in it."""
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UserError(f"{path.name}: more than {MOST_BYTES} bytes")
    try:
        raw = yaml.load(data.decode(), _Loader)
    except (
        yaml.YAMLError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:  # its constructors'
        raise UserError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
    check(path, "top", raw, needed, optional)
    return raw


def check(path: Path, where: str, got: Any, needed: Types, optional: Types) -> None:
    """Refuses what is not a mapping of these keys to values of these types."""
    known = {**needed, **optional}
    if not isinstance(got, dict):
        raise UserError(f"{path.name}: {where}: got {got!r}, wanted keys and values: {', '.join(known)}")
    for key, value in got.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise UserError(f"{path.name}: {where}: unknown key {key!r}; {hint}")
        if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] not in (bool, object)):
            wanted = "a number" if known[key] in (int, NUMBER) else known[key].__name__
            raise UserError(f"{path.name}: {where}: {key} is {value!r}, wanted {wanted}")
    for key in needed:
        if key not in got:
            raise UserError(f"{path.name}: {where}: {key} is missing")


def numbers(path: Path, where: str, got: Any, *shape: int) -> np.ndarray:
    """A list of finite numbers, or of such lists, of this shape; -1 stands for any length but 0."""
    try:
        array = np.array(got, float)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    fits = array.ndim == len(shape) and all(n == wanted or wanted < 0 < n for n, wanted in zip(array.shape, shape))
    if not fits or not np.isfinite(array).all():
        wanted = " x ".join("any number" if n < 0 else str(n) for n in shape)
        raise UserError(f"{path.name}: {where} is {got!r}, wanted {wanted} numbers")
    return array
