"""Writes a trained encoder as ONNX, for use without torch, and checks it in onnxruntime against torch.

    python -m train.export runs/smcr/demo-src2demo-tgt/s0-1a2b3c4d --out model.onnx

Input `pictures` (B, 3, height, width) float32, RGB from 0 to 255: the standardisation is part of the file. Output
`features` (B, D), of unit norm; a row of several encoders gives their fused feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from opengspr import UserError, command
from opengspr.files import write_whole
from train.parts import trained
from train.parts.backbones import Encoder
from train.parts.data import MEAN, STD
from train.parts.evaluation import fuse

CLOSE = 1e-4  # how far features may differ, at most
PICTURES = 3  # a batch to check with, other than the one to export with


@dataclass(frozen=True)
class Export:
    """Writes a trained model as ONNX."""

    model: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run, or a .safetensors file of an encoder."""
    out: Path = Path("model.onnx")
    """The file to write."""
    row: str | None = None
    """Which row of the run's table; by default the method's answer."""


class Retriever(nn.Module):
    """Pictures from 0 to 255 to retrieval features, by one encoder or several that are fused."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoders: Sequence[Encoder], shares: Sequence[float]) -> None:
        super().__init__()
        self.encoders, self.shares = nn.ModuleList(encoders), shares
        self.register_buffer("mean", 255 * torch.from_numpy(MEAN)[:, None, None])
        self.register_buffer("deviation", 255 * torch.from_numpy(STD)[:, None, None])

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D)."""
        standard = (pictures - self.mean) / self.deviation
        return fuse([cast(Encoder, one).features(standard, -1) for one in self.encoders], self.shares)


def exported(retriever: Retriever, height: int, width: int) -> bytes:
    """The ONNX file, in which the number of pictures is open.

    Raises:
        UserError: the packages are missing, or what onnxruntime computes is not what torch does.
    """
    try:
        import onnx  # noqa: F401  # torch asks for these two
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"a package is not installed ({error}): pip install -e '.[export]'") from error
    pictures = 255 * torch.rand(2, 3, height, width)
    batch = {"pictures": {0: torch.export.Dim("batch")}}
    program = torch.onnx.export(
        retriever, (pictures,), dynamo=True, dynamic_shapes=batch, verbose=False,
        input_names=["pictures"], output_names=["features"],
    )  # fmt: skip
    assert program is not None
    encoded: bytes = program.model_proto.SerializeToString()
    more = 255 * torch.rand(PICTURES, 3, height, width)
    session = onnxruntime.InferenceSession(encoded, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pictures": more.numpy()})
    apart = float(np.abs(found - retriever(more).detach().numpy()).max())
    if not apart <= CLOSE:
        raise UserError(f"onnxruntime's features differ from torch's by {apart:.2g}, wanted at most {CLOSE}")
    return encoded


def work(chosen: Export) -> None:
    """Loads, exports, checks, writes."""
    rows, folder = trained.find_rows(chosen.model)
    row = chosen.row or trained.main_row(chosen.model, rows)
    if row not in rows:
        raise UserError(f"--row {row}: wanted one of: {'; '.join(rows)}")
    encoders, (height, width) = trained.encoders_of(rows[row], folder, "cpu")
    retriever = Retriever([encoders[name] for name in rows[row]], [*rows[row].values()]).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoded = exported(retriever, height, width)
    write_whole(chosen.out, encoded)
    print(f"exported: {chosen.out}: {row}, {height} x {width}, {len(encoded) / 1e6:.1f} MB, as in torch to {CLOSE}")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    command(Export, work, args)


if __name__ == "__main__":
    main()
