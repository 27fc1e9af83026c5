"""Runs recipes with SGD in Adam's place: `python -m tests.train.with_sgd RECIPE,RECIPE FLAGS`, alone or by torchrun.

Adam moves a weight whose gradient is only rounding noise as far as any other, so runs that differ by rounding part.
"""

import importlib
import sys
from typing import Any

import torch

from tests.train.worlds import settings_of


def main() -> None:
    """Runs them one after the other."""

    def sgd(weights: Any, lr: float, weight_decay: float = 0.0, **more: Any) -> torch.optim.Optimizer:
        is_adversary = "betas" in more  # which at a large rate would blow up rounding, too
        return torch.optim.SGD(weights, 3e-4 if is_adversary else 0.03, weight_decay=weight_decay)

    torch.optim.Adam = sgd  # type: ignore[assignment,misc]
    names, *args = sys.argv[1:]
    given = dict(zip(args[::2], args[1::2], strict=True))
    for name in names.split(","):
        recipe = importlib.import_module(f"train.{name}")
        known = {f"--{one.replace('_', '-')}" for one in settings_of(recipe).__dataclass_fields__}
        # what so little a net, picture and batch have
        pairs = {**given, "--branches": "avg,max", "--pyramid": "p1+p2(c2)", "--views": "3"}
        pairs["--dropout"] = "0"  # ranks draw it apart
        pairs |= {"--pixel": "none", "--fusion": "0"}  # RAE's decoder has batch statistics
        if "--lr-head" in known:  # a batch norm behind random maps, which hardly differ, makes rounding large
            pairs |= {"--lr": "1e-4", "--lr-head": "1e-3", "--lr-attention": "1e-3"}
        if "--views-steps" in known:  # instance norms of flat pictures make it large after a step of each stage
            pairs |= {"--views-epochs": "1", "--views-steps": "1", "--epochs": "1", "--steps": "1"}
        recipe.main([word for flag, value in pairs.items() if flag in known for word in (flag, value)])


if __name__ == "__main__":
    main()
