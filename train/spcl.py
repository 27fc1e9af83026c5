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

from opengspr.checkpoint import Stateful
from opengspr.randomness import rng
from train.parts import adaptation, preparation, sampling
from train.parts.backbones import Encoder
from train.parts.branch import Branch, BranchSpec
from train.parts.data import Labelled
from train.parts.evaluation import Truth
from train.parts.learning import adam
from train.parts.preparation import Job

ROWS = {"SpCL": {"spcl": 1.0}}


@dataclass(frozen=True, kw_only=True)
class SpCL(adaptation.Clustering):
    """Self-paced contrastive learning, with a labelled source or without."""

    temperature: float = 0.05
    memory_momentum: float = 0.2
    criterion: Literal["spcl", "none"] = "spcl"


SMALL = adaptation.SMALL | {"steps": 70, "temperature": 0.1}

ABLATIONS: dict[str, dict[str, Any]] = {"SpCL": {}, "w/o self-paced": {"criterion": "none"}, "w/o source": {"src": ""}}


class Contrast(adaptation.AdaptingStage):
    """SpCL's own stage.

    Args:
        chosen: settings.
        encoder: what it begins with.
        source: labelled pictures, or None.
        others: of `AdaptingStage`.
    """

    chosen: SpCL

    def __init__(self, chosen: SpCL, encoder: Encoder, source: Labelled | None, *others: Any) -> None:
        super().__init__(chosen, ROWS, *others)
        self.source = source
        spec = BranchSpec(
            chosen.criterion, "online", chosen.eps, chosen.distance, chosen.min_samples, chosen.memory_momentum,
            chosen.temperature,
        )  # fmt: skip
        self.branch = Branch(spec, encoder, source, self.machine)
        learned = self.branch.encoder.parameters()
        self.optimizer = adam(learned, chosen.lr, chosen.weight_decay)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the target."""
        self.optimizer.param_groups[0]["lr"] = self.chosen.rate(epoch)
        return self.told(self.branch.cluster(self.target, first=epoch == 0), epoch)

    def feed(self, epoch: int, step: int) -> None:
        """A feed of the source, if there is one, and one of the target by its labels."""
        self.branch.open_epoch()
        size, each, draws = self.chosen.batch, self.chosen.per_identity, rng(self.seed, "contrast", epoch)
        sets = [(self.source.images, self.source.label, self.source.camid)] if self.source else []
        sets.append((self.target.images, self.branch.label, self.target.camid))
        self.feeds = []
        for i, (images, label, camid) in enumerate(sets):
            drawn = sampling.batches(label, size, each, self.batches, draws, camid)
            self.feeds.append(self.opened(images, drawn, step, self.seed, "augment", epoch, i))

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The joint contrast."""
        given = [next(feed) for feed in self.feeds]
        target = given[-1][1]
        own = given[0][1] if self.source else target[:0]
        loss, features, entries = self.branch.joint([pictures for (pictures,), _ in given], own, target)
        self.passed = entries, features.detach()
        return loss, {"contrast": loss}

    def remember(self) -> None:
        """What passed through moves its entries."""
        self.branch.memory.update(*self.passed)

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one."""
        return [self.optimizer]

    def encoders(self) -> dict[str, Encoder]:
        """The one."""
        return {"spcl": self.branch.encoder}

    def held(self) -> dict[str, Stateful]:
        """Branch and optimizer."""
        return {"branch": self.branch, "optimizer": self.optimizer}


def work(chosen: SpCL) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)

    def contrast(encoder: Encoder, truth: Truth | None) -> Contrast:
        source = job.source_if_any()
        return Contrast(chosen, encoder, source, job.target("tgt"), truth, job.machine)

    adaptation.adapt(job, adaptation.Recipe("spcl", "SpCL", ROWS, "SpCL", "", contrast))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(SpCL, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
