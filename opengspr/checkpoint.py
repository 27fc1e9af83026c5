"""Weights and resume states: written whole or not at all, read without running anything."""

import hashlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from opengspr.command import UserError
from opengspr.files import sync_folder, whole_file, write_whole

PREVIOUS = ".previous"


class Stateful(Protocol):
    """What a resume state can hold: nets, optimizers, memories."""

    def state_dict(self) -> dict[str, Any]:
        """All that it is to be taken up from."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Takes up a state."""


class Composed:
    """Something whose state is that of its parts."""

    def held(self) -> dict[str, Stateful]:
        """The parts by name; a subclass adds its own."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All that coming steps depend on; a subclass adds what is not a part."""
        return {name: part.state_dict() for name, part in self.held().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        for name, part in self.held().items():
            part.load_state_dict(state[name])


def save_weights(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str] | None = None) -> None:
    """Writes safetensors; `notes` go into the file's header."""
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_whole(path, save(plain, dict(notes or {})))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights and notes of a safetensors file, or the weights of a state dict saved by torch, which may hold no code.

    Raises:
        UserError: unreadable, or a pickle of anything but tensors.
    """
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path}: not a readable safetensors file: {error}") from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not weights alone, so nothing in it was run: {why}") from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UserError(f"{path}: wanted a state dict of tensors")
    return {name.removeprefix("module."): value for name, value in found.items()}, {}


def fit(module: nn.Module, tensors: Mapping[str, Tensor], origin: str | Path) -> None:
    """Loads weights that fit the module exactly.

    Raises:
        UserError: lists what is missing, what is extra and what has another shape; nothing is loaded then.
    """
    own = module.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}  # older files lack them
    shapes = [
        f"{name} is {tuple(tensors[name].shape)}, wanted {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    wrong = {
        "missing": sorted(set(own) - set(tensors) - counters),
        "extra": sorted(set(tensors) - set(own)),
        "of another shape": shapes,
    }
    if any(wrong.values()):
        told = "; ".join(f"{len(names)} {kind}: {', '.join(names[:4])}" for kind, names in wrong.items() if names)
        raise UserError(f"{origin}: the weights do not fit {type(module).__name__}: {told}")
    module.load_state_dict(dict(tensors), strict=False)


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names and numbers, wherever they lie."""
    found = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a resume state; the one before it stays beside it as `NAME.previous`."""
    part = path.with_name(path.name + ".new")
    with whole_file(part) as file:
        torch.save(dict(state), file)
    if path.exists():
        os.replace(path, path.with_name(path.name + PREVIOUS))
    os.replace(part, path)
    sync_folder(path.parent)


def load_state(path: Path) -> dict[str, Any] | None:
    """The newest resume state that can be read; None where there is none.

    A kill between the two renames of `save_state` leaves only the previous one, from which work goes on.
    """
    for candidate in (path, path.with_name(path.name + PREVIOUS)):
        if candidate.exists():
            try:
                return cast(dict[str, Any], torch.load(candidate, map_location="cpu", weights_only=True))
            except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
                print(f"{candidate}: cannot be read ({type(error).__name__}), trying the one before")
    return None


def first_non_finite(state: Any, name: str = "state") -> str | None:
    """Where in nested dicts and lists the first NaN or infinite tensor is; None when all are finite."""
    if isinstance(state, Tensor):
        return name if state.is_floating_point() and not bool(torch.isfinite(state).all()) else None
    items = state.items() if isinstance(state, Mapping) else enumerate(state) if isinstance(state, list | tuple) else ()
    return next((found for key, value in items if (found := first_non_finite(value, f"{name}.{key}"))), None)
