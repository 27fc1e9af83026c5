"""JVTC: joint visual and temporal consistency (Li and Zhang, ECCV 2020): `jvtc` in train/published.csv.

    python -m train.jvtc --tgt market
    python -m train.jvtc --src market --tgt duke

Idea: people take their time from one camera to the next. Of every picture a batch has some augmented views, and each is
to be told from the batch's other pictures (local). In a memory of all pictures each is to be like those of its cluster
(global); clusters are found by looks, and later by looks and by how probable the time between two cameras is for one
person, which the clusters before tell (parts/temporal.py). With a source its identities are learnt beside.

Rows: JVTC ranks by looks; JVTC+ also by the times between cameras, of the last clusters. Without frames there is no
JVTC+, and clusters are by looks alone, which is said. What is ours: Adam; the memory begins with the pictures'
features; views are flipped, shifted and partly erased, where the paper also translates them between camera styles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from opengspr import ranks
from opengspr.randomness import rng
from train.parts import adaptation, hosts, losses, preparation, pseudo_labels
from train.parts.backbones import Encoder
from train.parts.evaluation import Rows, Truth
from train.parts.on_memory import OnMemory
from train.parts.preparation import Job
from train.parts.temporal import Times, Transitions

ROWS: Rows = {"JVTC": {"jvtc": 1.0}, "JVTC+": {"jvtc": 1.0}}


@dataclass(frozen=True, kw_only=True)
class JVTC(adaptation.Clustering):
    """Views told apart in a batch, clusters by looks and times in a memory."""

    epochs: int = 100
    batch: int = 128
    """Images of a domain that a net sees in a step; of the target, views."""
    views: int = 4
    """Of each of the target's pictures in a batch."""
    lr_drop_every: int = 40
    """Epochs between tenfold drops of the rate; 0 = none."""
    k1: int = 20
    eps: float = 0.0
    """Radius of DBSCAN; 0 = set at each clustering by a rule without labels."""
    min_samples: int = 1
    visual_from: int = 10
    """Epochs before the first clustering, by looks."""
    joint_from: int = 30
    """Epochs before the first clustering by looks and times."""
    relabel_every: int = 5
    """Epochs between clusterings."""
    smoothing: int = hosts.SMOOTHING
    """Frames by which a time between cameras is spread: the normal distribution's deviation."""
    local_temperature: float = 0.1
    global_temperature: float = 0.05
    global_weight: float = 0.2
    memory_momentum: float = 0.8
    """What an entry keeps at a move, at most; it rises from 0 by the share of the epochs that are done."""


# Times in our worlds span some 36,000 frames, about a fifth of Duke's, and so does what they are spread by.
SMALL = adaptation.SMALL | {
    "steps": 70, "visual_from": 1, "joint_from": 4, "relabel_every": 1, "smoothing": 1000,
}  # fmt: skip

ABLATIONS: dict[str, dict[str, Any]] = {
    "JVTC": {},
    "w/o temporal": {"joint_from": 10**6},
    "w/o global": {"visual_from": 10**6},
    "w/o source": {"src": ""},
}


class Consistency(OnMemory):
    """JVTC's own stage."""

    chosen: JVTC

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.label = np.full(len(self.target.images), -1)

    @property
    def times(self) -> Mapping[str, Transitions]:
        """For JVTC+, of the last clusters."""
        made = Transitions.of(self.label, self.target.camid, self.target.frame, self.chosen.smoothing)
        return {row: made for row in self.rows if row.endswith("+")}

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Clusters the memory every so many epochs."""
        super().begin_epoch(epoch)
        chosen = self.chosen
        if epoch < chosen.visual_from or (epoch - chosen.visual_from) % chosen.relabel_every:
            return {}
        how = chosen.distance, chosen.eps, chosen.min_samples, chosen.smoothing
        labels = hosts.host("jvtc" if epoch >= chosen.joint_from else "cluster", *how)
        seen = self.memory.entries.cpu().numpy(), self.target.camid, self.target.frame
        found = ranks.by_first(lambda: labels(*seen))
        self.label = found.label
        return self.told(found, epoch)

    def feed(self, epoch: int, step: int) -> None:
        """A feed of the target's pictures in some views, and one of the source's."""
        chosen = self.chosen
        self.with_clusters = epoch >= chosen.visual_from
        self.memory.momentum = min(chosen.memory_momentum, epoch / self.epochs)
        self.memory.assign(torch.from_numpy(pseudo_labels.classes(self.label)).to(self.device))
        draws, pictures = rng(self.seed, "consistency", epoch), max(1, chosen.batch // chosen.views)
        self.feed_both(epoch, step, draws, pictures, chosen.per_identity, chosen.views)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The local and the global term, and cross-entropy of the source."""
        chosen = self.chosen
        views, index = next(self.given)
        features = self.machine.features(self.encoder, torch.stack(views, 1).flatten(0, 1))
        by_picture = features.unflatten(0, (len(index), -1))
        self.passed = index, F.normalize(by_picture.detach().mean(1), dim=1)
        terms = {"local": losses.self_classification(by_picture, chosen.local_temperature)}
        if self.with_clusters:
            own = self.memory.label[index].repeat_interleave(chosen.views)
            logits = features @ self.memory.entries.T / chosen.global_temperature
            terms["global"] = chosen.global_weight * losses.multi_class(logits, own[:, None] == self.memory.label)
        terms |= self.of_source()
        return torch.stack([*terms.values()]).sum(), terms

    def state_dict(self) -> dict[str, Any]:
        """With the labels; momentum follows from the epoch."""
        return super().state_dict() | {"label": torch.from_numpy(self.label)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.label = state["label"].numpy()


def work(chosen: JVTC) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)
    target = job.target("tgt")
    rows, note = ROWS, "JVTC+ ranks by times between cameras, too."
    if not Times(target.camid, target.frame).known:
        rows, note = {"JVTC": ROWS["JVTC"]}, "The target has no frames: clusters by looks alone, and no JVTC+."
        print(f"warning: {note}")

    def learning(encoder: Encoder, truth: Truth | None) -> Consistency:
        source = job.source_if_any()
        return Consistency(chosen, rows, encoder, source, target, truth, job.machine)

    adaptation.adapt(job, adaptation.Recipe("jvtc", "JVTC", rows, "JVTC", note, learning))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(JVTC, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
