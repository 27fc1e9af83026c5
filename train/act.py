"""ACT: asymmetric co-teaching (Yang et al., AAAI 2020): `act` in train/published.csv.

    python -m train.act --src market --tgt duke

Idea: a clustering's labels are partly wrong, and what it leaves out is what a net has most to learn from. Two nets
choose for each other. Of clustered pictures the main net hands its collaborator those with the smallest losses: one net
learns from what is pure. Pictures in no cluster get the label of the nearest clustered one, and of these the
collaborator hands the main net those with the smallest losses; it learns from them and from all clusters: the other net
learns from what is diverse. The share handed over grows to all. The main net clusters and retrieves.

Loss: the batch-hard triplet loss, by which pictures are chosen, too. What is ours: both nets learn in each step (the
paper's take turns), each sees both batches, and a loss counts what was handed to it; each epoch has new clusters.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from opengspr.checkpoint import Stateful
from opengspr.randomness import rng
from train.parts import adaptation, losses, preparation, sampling
from train.parts.backbones import Encoder
from train.parts.data import Images, Labelled
from train.parts.evaluation import Rows, Truth, extract
from train.parts.learning import adam
from train.parts.on_clusters import OnClusters
from train.parts.preparation import Job

ROWS: Rows = {"ACT": {"act_main": 1.0}, "ACT, collaborator": {"act_collaborator": 1.0}}
AT_ONCE = 1024  # pictures whose nearest clustered one is looked for


@dataclass(frozen=True, kw_only=True)
class ACT(adaptation.Clustering):
    """Two nets that choose pictures for each other, one of them pure ones, one diverse ones."""

    lr: float = 6e-5
    lr_drop_every: int = 0
    """Epochs between tenfold drops of the rate; 0 = none."""
    eps: float = 0.0
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    k1: int = 20
    margin: float = 0.5
    """Of the triplet loss."""
    first_share: float = 0.2
    """Of a batch's pictures, the share that is handed over before training; it grows evenly to 1 in the last epoch."""
    outliers: bool = True
    """Whether the main net is handed pictures that are in no cluster."""


SMALL = adaptation.SMALL | {"steps": 35, "lr": 3.5e-4, "lr_drop_every": 8, "k1": 10}

ABLATIONS: dict[str, dict[str, Any]] = {
    "ACT": {},
    "w/o outliers": {"outliers": False},
    "w/o choice": {"first_share": 1.0},
}


class CoTeaching(OnClusters):
    """ACT's own stage; `pair` is the main net and its collaborator."""

    chosen: ACT

    def __init__(self, chosen: ACT, encoder: Encoder, *others: Any, source: Labelled) -> None:
        super().__init__(chosen, ROWS, *others, source=source)
        self.pair = [one.to(self.device).train() for one in (encoder, deepcopy(encoder))]
        self.adams = [adam(one.parameters(), chosen.lr, chosen.weight_decay) for one in self.pair]
        self.assumed = torch.zeros(0, dtype=torch.int64)

    def seen_as(self, images: Images) -> Tensor:
        """The main net's features."""
        return extract(self.pair[0], images)

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """Labels for pictures in no cluster: the nearest clustered picture's."""
        for one in self.adams:
            one.param_groups[0]["lr"] = rate
        inside = label >= 0
        self.assumed = label.clone()
        nearest = [(part @ features[inside].T).argmax(1) for part in features[~inside].split(AT_ONCE)]
        if nearest:
            self.assumed[~inside] = label[inside][torch.cat(nearest)]

    def handed_over(self, epoch: int) -> float:
        """The share of a batch's pictures that a net hands the other."""
        first = self.chosen.first_share
        return first + (1 - first) * (epoch + 1) / self.epochs

    def feed(self, epoch: int, step: int) -> None:
        """A feed of clustered pictures, and one of the others by the labels assumed."""
        super().feed(epoch, step)
        self.share = self.handed_over(epoch)
        outside = np.flatnonzero(self.label < 0)
        self.others = None
        if len(outside) and self.chosen.outliers:
            draws, size, each = rng(self.seed, "outliers", epoch), self.chosen.batch, self.chosen.per_identity
            drawn = sampling.batches(self.assumed.cpu().numpy()[outside], size, each, self.batches, draws)
            key = self.seed, "augment", epoch, "outliers"
            self.others = self.opened(self.target.images, [outside[one] for one in drawn], step, *key)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The triplet losses of both nets on what was handed to them."""
        (pictures,), label = self.next_batch()
        margin = self.chosen.margin
        if self.others:
            (more,), index = next(self.others)
            label, count = torch.cat([label, self.assumed[index]]), len(label)
            seen = [self._seen(one, pictures, more) for one in self.pair]
        else:
            seen, count = [self.machine.seen(one, pictures)[0] for one in self.pair], len(label)
        main, collaborator = seen
        pure = self._easy(main[:count], label[:count])
        handed = torch.arange(count, device=main.device)
        if self.others:
            handed = torch.cat([handed, count + self._easy(collaborator[count:], label[count:])])
        terms = {
            "triplet_main": losses.triplet_hinge(main[handed], label[handed], margin),
            "triplet_collaborator": losses.triplet_hinge(collaborator[pure], label[pure], margin),
        }
        return torch.stack([*terms.values()]).sum(), terms

    def _seen(self, encoder: Encoder, pictures: Tensor, more: Tensor) -> Tensor:
        """Pooled features of both batches of all ranks, one batch after the other."""
        pooled = self.machine.seen(encoder, torch.stack([pictures, more], 1).flatten(0, 1))[0]
        return pooled.unflatten(0, (-1, 2)).transpose(0, 1).flatten(0, 1)

    def _easy(self, pooled: Tensor, label: Tensor) -> Tensor:
        """The pictures with the smallest losses, as many as are handed over."""
        each = losses.triplet_each(pooled.detach(), label, self.chosen.margin)
        return each.argsort(stable=True)[: max(1, round(self.share * len(each)))]

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Of both nets."""
        return self.adams

    def encoders(self) -> dict[str, Encoder]:
        """Both nets."""
        return dict(zip(("act_main", "act_collaborator"), self.pair, strict=True))

    def held(self) -> dict[str, Stateful]:
        """With both nets."""
        nets: dict[str, Stateful] = {f"net_{k}": one for k, one in enumerate(self.pair)}
        return super().held() | nets | {f"adam_{k}": one for k, one in enumerate(self.adams)}

    def state_dict(self) -> dict[str, Any]:
        """With the labels assumed."""
        return super().state_dict() | {"assumed": self.assumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.assumed = state["assumed"].to(self.device)


def work(chosen: ACT) -> None:
    """A whole run."""
    job = Job.of(chosen)

    def teaching(encoder: Encoder, truth: Truth | None) -> CoTeaching:
        return CoTeaching(chosen, encoder, job.target("tgt"), truth, job.machine, source=job.source("src"))

    adaptation.adapt(job, adaptation.Recipe("act", "ACT", ROWS, "ACT", "ACT: the main net.", teaching))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(ACT, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
