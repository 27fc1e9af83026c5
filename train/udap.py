"""UDAP: self-training on clusters (Song et al., Pattern Recognition 2020): `udap` in train/published.csv.

    python -m train.udap --src market --tgt duke

Idea: the plainest of the clustering methods, and what stronger ones are measured against. Each epoch the target's
pictures are clustered by the encoder's features, and the clusters are taken for identities; pictures that are in none
are left out. The distance has a term for the source: two pictures are the farther apart the less they look like it.

What is ours: with the paper's triplet loss goes cross-entropy on the clusters, as in the baselines of later papers;
k1 is 20; the radius is set once, at the first clustering, by the rho rule (`pseudo_labels.auto_eps`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from opengspr import UserError, loop
from opengspr.randomness import rng
from train.parts import adaptation, losses, preparation, pseudo_labels, sampling
from train.parts.backbones import Encoder
from train.parts.cluster_head import ClusterHead
from train.parts.data import Labelled, Unlabelled, augment, to_tensor
from train.parts.evaluation import Truth, extract
from train.parts.preparation import Job

ROWS = {"UDAP": {"udap": 1.0}}


@dataclass(frozen=True, kw_only=True)
class UDAP(adaptation.Clustering):
    """Self-training on the target's clusters."""

    eps: float = 0.0
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    k1: int = 20
    lr_drop_every: int = 0
    """Epochs between tenfold drops of the rate; 0 = none."""
    margin: float = 0.3
    """Of the triplet loss."""


SMALL = adaptation.SMALL | {"k1": 10}

ABLATIONS: dict[str, dict[str, Any]] = {"UDAP": {}, "Baseline": {"epochs": 0}}


class SelfTraining(loop.Stage):
    """UDAP's own stage, for `loop.run`.

    Args:
        chosen: settings.
        encoder: what it begins with.
        source: labelled pictures, for the distance only.
        target: pictures and cameras.
        truth: for figures and diagnosis only; None = neither.
        device: cpu or cuda.
    """

    name = "self_training"

    def __init__(
        self, chosen: UDAP, encoder: Encoder, source: Labelled, target: Unlabelled, truth: Truth | None, device: str
    ) -> None:
        self.chosen, self.seed, self.epochs, self.steps = chosen, chosen.seed, chosen.epochs, chosen.steps
        self.source, self.target, self.truth, self.device = source, target, truth, device
        self.encoder = encoder.to(device).train()
        self.head = ClusterHead(encoder.channels, chosen.weight_decay, device)
        self.optimizer = torch.optim.Adam(encoder.parameters(), chosen.lr, weight_decay=chosen.weight_decay)
        self.label, self.eps = np.empty(0, np.int64), chosen.eps

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target."""
        chosen, features = self.chosen, extract(self.encoder, self.target.images)
        own = extract(self.encoder, self.source.images).cpu().numpy()
        found = pseudo_labels.refine(
            features.cpu().numpy(), "none", self.eps, chosen.k1, chosen.k2, chosen.min_samples, source=own
        )
        if not found.found:
            raise UserError(f"epoch {epoch + 1}: no cluster within the radius {found.eps:.3f}; a larger --eps may help")
        for warning in found.warnings:
            tqdm.write(f"warning: epoch {epoch + 1}: {warning}")
        self.label, self.eps = found.label, found.eps
        self.optimizer.param_groups[0]["lr"] = chosen.rate(epoch)
        self.head.begin(features, torch.from_numpy(found.label).to(self.device), chosen.rate(epoch))
        return adaptation.told(found, self.truth)

    def feed(self, epoch: int, step: int) -> None:
        """A stream of clustered pictures."""
        inside = np.flatnonzero(self.label >= 0)
        draws, size = rng(self.seed, self.name, epoch), self.chosen.batch
        drawn = sampling.batches(self.label[inside], size, self.chosen.per_identity, self.steps, draws)[step:]
        self.first, self.drawn = step, [inside[batch] for batch in drawn]
        self.stream = self.target.images.stream(self.drawn)

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update of encoder and classifier."""
        draws = rng(self.seed, "augment", epoch, step)
        pictures = to_tensor(augment(next(self.stream), draws, jitter=self.chosen.jitter), self.device)
        label = torch.from_numpy(self.label[self.drawn[step - self.first]]).to(self.device)
        pooled, neck = self.encoder(pictures)
        terms = {
            "cross_entropy": losses.cross_entropy(self.head(neck), label),
            "triplet": losses.triplet_hinge(pooled, label, self.chosen.margin),
        }
        for optimizer in (self.optimizer, self.head.optimizer):
            optimizer.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        for optimizer in (self.optimizer, self.head.optimizer):
            optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Figures for the curves, if asked for."""
        return adaptation.looked_at(self.truth, self.chosen.evaluate_every, epoch, ROWS, self)

    def encoders(self) -> dict[str, Encoder]:
        """The one."""
        return {"udap": self.encoder}

    def state_dict(self) -> dict[str, Any]:
        """All that coming steps depend on."""
        parts = {name: getattr(self, name).state_dict() for name in ("encoder", "head", "optimizer")}
        return parts | {"label": torch.from_numpy(self.label), "eps": self.eps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        for name in ("encoder", "head", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.label, self.eps = state["label"].numpy(), state["eps"]


def work(chosen: UDAP) -> None:
    """A whole run."""
    job = Job.of(chosen)

    def self_training(encoder: Encoder, truth: Truth) -> SelfTraining:
        return SelfTraining(chosen, encoder, job.source("src"), job.target("tgt"), truth, job.device)

    rows, main_row, build = (ROWS, "UDAP", self_training) if chosen.epochs else ({}, "direct transfer", None)
    adaptation.adapt(job, adaptation.Recipe("udap", "UDAP", rows, main_row, "", build))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(UDAP, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
