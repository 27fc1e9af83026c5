"""A stage that learns: losses of a batch, gradients over all batches and ranks of an update, the update."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import record_function

from opengspr import loop, ranks
from opengspr.checkpoint import Composed
from train.parts.backbones import Encoder
from train.parts.data import Augmentation, Feed, Images


@dataclass(frozen=True)
class Machine:
    """What a stage runs on, and how.

    Attributes:
        device: cpu or cuda.
        amp: the type that nets compute in, None = float32. Losses and memories are float32 in any case.
        accumulate: batches whose gradients make one update.
        passed: `image_steps` so far, of all ranks: a picture that goes forward through a net counts 1, back as well 3.
    """

    device: str = "cpu"
    amp: torch.dtype | None = None
    accumulate: int = 1
    passed: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, device: str, amp: Literal["auto", "bf16", "off"] = "auto", accumulate: int = 1) -> "Machine":
        """By the flags: `auto` is bf16 on a GPU that has it."""
        fast = amp == "bf16" or (amp == "auto" and device == "cuda" and torch.cuda.is_bf16_supported())
        return cls(device, torch.bfloat16 if fast else None, accumulate)

    def casting(self) -> torch.autocast:
        """In which nets compute in `amp`."""
        return torch.autocast(self.device, self.amp, enabled=self.amp is not None)

    def seen(self, encoder: Encoder, pictures: Tensor, domain: int = 0) -> tuple[Tensor, Tensor]:
        """Pooled features of all ranks' pictures and the same after the BN-neck, float32.

        Args:
            encoder: any.
            pictures: this rank's share, (B, 3, H, W).
            domain: whose batch norms work.

        Returns:
            (ranks x B, channels) each.
        """
        with self.casting():
            mine = encoder.pooled(pictures, domain)
        return self.gathered(encoder, mine)

    def gathered(self, encoder: Encoder, mine: Tensor) -> tuple[Tensor, Tensor]:
        """The same from this rank's pooled features, (B, channels)."""
        pooled = ranks.gathered(mine)
        self.passed["image_steps"] += len(pooled) * (3 if pooled.requires_grad else 1)
        return pooled, encoder.neck(pooled)

    def features(self, encoder: Encoder, pictures: Tensor, domain: int = 0) -> Tensor:
        """What memories hold: the same after the BN-neck, unit norm."""
        return F.normalize(self.seen(encoder, pictures, domain)[1], dim=1)


def adam(weights: Iterable[nn.Parameter], lr: float, weight_decay: float, amsgrad: bool = False) -> torch.optim.Adam:
    """Adam in one pass over all weights."""
    return torch.optim.Adam(weights, lr, weight_decay=weight_decay, amsgrad=amsgrad, fused=True)


def sgd(weights: Iterable[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.SGD:
    """Stochastic gradient descent with momentum 0.9."""
    return torch.optim.SGD(weights, lr, momentum=0.9, weight_decay=weight_decay)


Optimizing = Callable[[Iterable[nn.Parameter], float, float], torch.optim.Optimizer]


class Learning(Composed, loop.Stage):
    """A stage for `loop.run`; a subclass says what a batch's loss is, and what moves."""

    machine: Machine
    augmentation: Augmentation
    clip = float("inf")  # length to which the gradient of all weights is cut down

    @abstractmethod
    def nets(self) -> Iterable[nn.Module]:
        """Nets whose batch norms keep statistics."""

    @abstractmethod
    def optimizers(self) -> Iterable[torch.optim.Optimizer]:
        """Of all that an update moves."""

    @abstractmethod
    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The next batch's loss, and its terms for the curves."""

    def remember(self) -> None:
        """What follows each batch: memories."""

    def follow(self) -> None:
        """What follows each update: slow means."""

    @property
    def batches(self) -> int:
        """In an epoch."""
        return self.steps * self.machine.accumulate

    def opened(
        self,
        images: Images,
        batches: Sequence[np.ndarray],
        step: int,
        *key: object,
        views: int = 1,
        plain: bool = False,
    ) -> Feed:
        """The feed of an epoch from `step` on.

        Args:
            images: pictures.
            batches: of the whole epoch, (B,) indices each.
            step: the first.
            key: names the draws of the augmentation.
            views: how often each picture is augmented.
            plain: whether the pictures as they are come as a last view.
        """
        first = step * self.machine.accumulate
        return Feed(images, batches, key, self.machine.device, self.augmentation, views, first, plain)

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update."""
        sums: dict[str, Tensor] = {}
        before = self.machine.passed["image_steps"]
        for _ in range(self.machine.accumulate):
            with record_function("pictures, nets and losses"):
                loss, terms = self.loss()
            with record_function("gradients"):
                (loss / self.machine.accumulate).backward()
            self.remember()
            sums = {name: sums[name] + term.detach() if sums else term.detach() for name, term in terms.items()}
        moved = [*self.optimizers()]
        weights = [weight for one in moved for group in one.param_groups for weight in group["params"]]
        ranks.averaged(weight.grad for weight in weights)
        if self.clip < float("inf"):
            nn.utils.clip_grad_norm_(weights, self.clip)
        with record_function("update"):
            for one in moved:
                one.step()
                one.zero_grad()
            self.follow()
        means = {name: value / self.machine.accumulate for name, value in sums.items()}
        return means | {"image_steps": torch.tensor(float(self.machine.passed["image_steps"] - before))}

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Brings batch norms' statistics, which each rank keeps of its own share, to their means."""
        ranks.averaged(buffer for net in self.nets() for buffer in net.buffers())
        return {}
