"""Runs recipes with SGD in Adam's place: `python -m tests.train.with_sgd RECIPE,RECIPE FLAGS`, alone or by torchrun.

Adam moves a weight whose gradient is only rounding noise as far as any other, so runs that differ by rounding part.
"""

import importlib
import sys
from typing import Any

import torch


def main() -> None:
    """Runs them one after the other."""

    def sgd(weights: Any, lr: float, weight_decay: float = 0.0, **_: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(weights, 0.03, weight_decay=weight_decay)

    torch.optim.Adam = sgd  # type: ignore[assignment,misc]
    names, *args = sys.argv[1:]
    for name in names.split(","):
        more = ["--branches", "avg,max"] if name == "abmt" else []  # the net's last stage has no block to be repeated
        importlib.import_module(f"train.{name}").main([*args, *more])


if __name__ == "__main__":
    main()
