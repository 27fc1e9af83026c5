"""What a run left, or a file of weights: the rows of its table, and the encoders that they fuse."""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from opengspr import UserError
from train.parts import backbones, run
from train.parts.data import Images, Source
from train.parts.evaluation import Rows, extract, fuse
from train.parts.temporal import Transitions

TIMES = "times.npz"


def find_rows(model: Path) -> tuple[Rows, Path]:
    """The table's rows, by names of weights files, and the folder with these files.

    Raises:
        UserError: neither a finished run nor a file of weights.
    """
    if model.is_file():
        if model.suffix != ".safetensors":
            raise UserError(f"{model}: wanted a file of weights that ends in .safetensors, or a run's folder")
        return {model.stem: {model.stem: 1.0}}, model.parent
    if not model.is_dir():
        raise UserError(f"{model}: no such run or file; wanted a run's folder or a .safetensors file")
    result = run.result_of(model)
    if result is None:
        raise UserError(f"{model}: no finished run: it has no {run.RESULT}; the command that began it goes on with it")
    return result["rows"], model


def times_of(model: Path) -> dict[str, Transitions]:
    """By the rows that are ranked by them, too: times between cameras, as the run learnt them."""
    result = run.result_of(model) if model.is_dir() else None
    return {row: Transitions.load(model / TIMES) for row in (result or {}).get("timed", ())}


def encoders_of(
    names: Iterable[str], folder: Path, device: str
) -> tuple[dict[str, backbones.Encoder], tuple[int, int]]:
    """Encoders by the names of their files, on the device; and the height and width of what they look at.

    Raises:
        UserError: they look at pictures of different sizes.
    """
    encoders = {name: backbones.load(folder / f"{name}.safetensors").to(device) for name in sorted(set(names))}
    sizes = {(encoder.spec.height, encoder.spec.width) for encoder in encoders.values()}
    if len(sizes) > 1:
        raise UserError(f"{folder}: encoders of different input sizes {sorted(sizes)}; wanted one")
    return encoders, sizes.pop()


def main_row(model: Path, rows: Rows) -> str:
    """The row that is the method's answer; of a file the only one."""
    result = run.result_of(model) if model.is_dir() else None
    return result["main"] if result else next(iter(rows))


class Model:
    """What a run or a file of weights makes of pictures.

    Args:
        path: folder of a finished run, or a .safetensors file of an encoder.
        row: of the run's table; None = the method's answer.
        device: cpu or cuda.

    Raises:
        UserError: there is no such model or row.
    """

    def __init__(self, path: Path, row: str | None, device: str) -> None:
        rows, folder = find_rows(path)
        self.row = row or main_row(path, rows)
        if self.row not in rows:
            raise UserError(f"--row {row}: wanted one of: {'; '.join(rows)}")
        self.shares = rows[self.row]
        self.encoders, self.size = encoders_of(self.shares, folder, device)

    def features(self, source: Source) -> Tensor:
        """(N, D), unit norm, on the CPU."""
        images = Images(source, *self.size)
        each = [extract(self.encoders[name], images) for name in self.shares]
        return fuse(each, [*self.shares.values()]).cpu().float()
