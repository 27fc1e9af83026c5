"""UDAP: self-training on clusters (Song et al., Pattern Recognition 2020): `udap` in train/published.csv.

    python -m train.udap --src market --tgt duke

Idea: the plainest of the clustering methods, and what stronger ones are measured against. Each epoch the target's
pictures are clustered by the encoder's features, and the clusters are taken for identities; pictures that are in none
are left out. The distance has a term for the source: two pictures are the farther apart the less they look like it.

What is ours: with the paper's triplet loss goes cross-entropy on the clusters, as in the baselines of later papers;
k1 is 20; the radius is set once, at the first clustering, by the rho rule (`pseudo_labels.auto_eps`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from opengspr.checkpoint import Stateful
from train.parts import adaptation, losses, preparation
from train.parts.backbones import Encoder
from train.parts.cluster_head import ClusterHead
from train.parts.data import Labelled
from train.parts.evaluation import Truth
from train.parts.on_clusters import OneOnClusters
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


SMALL = adaptation.SMALL | {"steps": 140, "k1": 10}

ABLATIONS: dict[str, dict[str, Any]] = {"UDAP": {}, "Baseline": {"epochs": 0}}


class SelfTraining(OneOnClusters):
    """UDAP's own stage: clusters as classes."""

    def __init__(self, chosen: UDAP, encoder: Encoder, *others: Any, source: Labelled) -> None:
        super().__init__(chosen, ROWS, encoder, *others, source=source)
        self.margin = chosen.margin
        self.head = ClusterHead(encoder.channels, chosen.weight_decay, self.device)

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """A classifier."""
        self.head.begin(features, label, rate)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy and the batch-hard triplet loss."""
        (pictures,), label = self.next_batch()
        pooled, neck = self.machine.seen(self.encoder, pictures)
        terms = {
            "cross_entropy": losses.cross_entropy(self.head(neck), label),
            "triplet": losses.triplet_hinge(pooled, label, self.margin),
        }
        return torch.stack([*terms.values()]).sum(), terms

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The encoder's and the classifier's."""
        return [self.optimizer, self.head.optimizer]

    def held(self) -> dict[str, Stateful]:
        """With the classifier."""
        return super().held() | {"head": self.head}


def work(chosen: UDAP) -> None:
    """A whole run."""
    job = Job.of(chosen)

    def self_training(encoder: Encoder, truth: Truth | None) -> SelfTraining:
        return SelfTraining(chosen, encoder, job.target("tgt"), truth, job.machine, source=job.source("src"))

    rows, main_row, build = (ROWS, "UDAP", self_training) if chosen.epochs else ({}, "direct transfer", None)
    adaptation.adapt(job, adaptation.Recipe("udap", "UDAP", rows, main_row, "", build))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(UDAP, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
