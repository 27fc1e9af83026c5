"""SpCL: self-paced contrastive learning with a hybrid memory (Ge et al., NeurIPS 2020): `spcl` in train/published.csv.

    python -m train.spcl --src market --tgt duke        # adaptation
    python -m train.spcl --tgt duke                     # unsupervised: the target alone, from --init

Idea: one memory holds every class that there is: source identities, target clusters, and target images that stand
alone. Each picture is contrasted with all of them. Clusters are believed slowly: one must be independent (it does not
grow when the radius does) and its members compact (they stay together when the radius shrinks); all else stays alone.

Memory: instance memory with cluster logits (parts/memory.py), momentum 0.2. Criteria: `pseudo_labels.spcl`. The encoder
itself clusters and retrieves; there is no mean teacher.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm import tqdm

from opengspr import loop
from opengspr.randomness import rng
from train.parts import adaptation, preparation, sampling
from train.parts.backbones import Encoder
from train.parts.branch import Branch, BranchSpec
from train.parts.data import Labelled, Unlabelled, augment, to_tensor
from train.parts.evaluation import Truth
from train.parts.preparation import Job

ROWS = {"SpCL": {"spcl": 1.0}}


@dataclass(frozen=True, kw_only=True)
class SpCL(adaptation.Clustering):
    """Self-paced contrastive learning, with a labelled source or without."""

    temperature: float = 0.05
    memory_momentum: float = 0.2
    criterion: Literal["spcl", "none"] = "spcl"


SMALL = adaptation.SMALL | {"temperature": 0.1}

ABLATIONS: dict[str, dict[str, Any]] = {"SpCL": {}, "w/o self-paced": {"criterion": "none"}, "w/o source": {"src": ""}}


class Contrast(loop.Stage):
    """SpCL's own stage, for `loop.run`.

    Args:
        chosen: settings.
        encoder: what it begins with.
        source: labelled pictures, or None.
        target: pictures and cameras.
        truth: for figures and diagnosis only; None = neither.
        device: cpu or cuda.
    """

    name = "contrast"

    def __init__(
        self,
        chosen: SpCL,
        encoder: Encoder,
        source: Labelled | None,
        target: Unlabelled,
        truth: Truth | None,
        device: str,
    ) -> None:
        self.chosen, self.seed, self.epochs, self.steps = chosen, chosen.seed, chosen.epochs, chosen.steps
        self.source, self.target, self.truth, self.device = source, target, truth, device
        spec = BranchSpec(
            chosen.criterion, "online", chosen.eps, chosen.k1, chosen.k2, chosen.min_samples, chosen.memory_momentum,
            chosen.temperature,
        )  # fmt: skip
        self.branch = Branch(spec, encoder, source, device)
        learned = self.branch.encoder.parameters()
        self.optimizer = torch.optim.Adam(learned, chosen.lr, weight_decay=chosen.weight_decay)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target."""
        self.optimizer.param_groups[0]["lr"] = self.chosen.rate(epoch)
        found = self.branch.cluster(self.target, first=epoch == 0)
        for warning in found.warnings:
            tqdm.write(f"warning: epoch {epoch + 1}: {warning}")
        return adaptation.told(found, self.truth)

    def feed(self, epoch: int, step: int) -> None:
        """A stream of the source, if there is one, and one of the target by its labels."""
        self.branch.open_epoch()
        size, each, draws = self.chosen.batch, self.chosen.per_identity, rng(self.seed, "contrast", epoch)
        sets = [(self.source.images, self.source.label, self.source.camid)] if self.source else []
        sets.append((self.target.images, self.branch.label, self.target.camid))
        self.first, self.drawn, self.streams = step, [], []
        for images, label, camid in sets:
            self.drawn.append(sampling.batches(label, size, each, self.steps, draws, camid)[step:])
            self.streams.append(images.stream(self.drawn[-1]))

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update of the encoder, then of its memory."""
        draws = rng(self.seed, "augment", epoch, step)
        pictures = [
            to_tensor(augment(next(stream), draws, jitter=self.chosen.jitter), self.device) for stream in self.streams
        ]
        drawn = [torch.from_numpy(batches[step - self.first]).to(self.device) for batches in self.drawn]
        own = drawn[0] if self.source else drawn[0][:0]
        loss, features, entries = self.branch.joint(pictures, own, drawn[-1])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.branch.memory.update(entries, features.detach())
        return {"contrast": loss.detach()}

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Figures for the curves, if asked for."""
        return adaptation.looked_at(self.truth, self.chosen.evaluate_every, epoch, ROWS, self)

    def encoders(self) -> dict[str, Encoder]:
        """The one."""
        return {"spcl": self.branch.encoder}

    def state_dict(self) -> dict[str, Any]:
        """Branch and optimizer."""
        return {"branch": self.branch.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        self.branch.load_state_dict(state["branch"])
        self.optimizer.load_state_dict(state["optimizer"])


def work(chosen: SpCL) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)

    def contrast(encoder: Encoder, truth: Truth) -> Contrast:
        source = job.source("src") if "src" in job.data else None
        return Contrast(chosen, encoder, source, job.target("tgt"), truth, job.device)

    adaptation.adapt(job, adaptation.Recipe("spcl", "SpCL", ROWS, "SpCL", "", contrast))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(SpCL, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
