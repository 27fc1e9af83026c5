"""SCR: spatial and channel partitions (Chen et al., WACV 2020; thesis chapter 3): `scr` in train/published.csv.

    python -m train.scr --src market --tgt market                  # supervised
    python -m train.scr --src market --tgt duke                    # as it is on another domain, Table 3.9
    python -m train.scr --src mars --tgt mars --video "TPP(E)"     # sequences, Table 3.5

Idea: a person is told by small things that one vector of the whole picture passes over. All after a ResNet's conv4_1 is
there three times; of each map, beside the whole, strips and groups of channels are pooled by their maxima, 13 vectors
in all (parts/pooling.py). Each has a classifier of its own; those of the wholes have the triplet loss, too, since parts
alone find wrong pairs. Retrieval is by all 13 side by side. Of sequences 15 frames are sampled, and the means of their
beginning, middle and end are put side by side (parts/tracklets.py).

What is ours: the triplet loss sees a whole's 256 numbers before their batch norm; an epoch is 94 steps of 8 people,
each of Market-1501's once (the thesis gives epochs only); features have unit norm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import tyro

from train.parts import adaptation, preparation
from train.parts.backbones import EncoderSpec
from train.parts.data import Augmentation
from train.parts.preparation import Job
from train.parts.supervised import SupervisedSpec
from train.parts.tracklets import Tracklets, Way

ROWS = {"SCR": {"direct": 1.0}}


@dataclass(frozen=True, kw_only=True)
class SCR(preparation.Adaptation):
    """Trains a pyramid of parts on a labelled source, and scores the target as it is."""

    height: int = 384
    width: int = 192
    pool: tyro.conf.Suppress[Literal["gem", "avg"]] = "gem"  # each part has its maximum
    pyramid: str = "p1+p2(s2c2)+p3(s3c3)"
    """Levels with a net of their own each, cut into so many strips (s) and groups of channels (c)."""
    erase: float = 0.0
    shift: bool = False
    """Whether pictures are shifted, beside being flipped."""
    pretrain_epochs: int = 500
    pretrain_steps: int = 94
    pretrain_batch: int = 32
    pretrain_lr: float = 2e-4
    ce: float = 2.0
    """lambda of eq. 3.3: the weight of the cross-entropies."""
    triplet: float = 1.0
    """Weight of the triplet losses."""
    margin: float = 1.2
    video: Literal["", Way] = ""
    """Retrieve sequences: TP = the mean of 15 frames, TPP = the means of their thirds; R = drawn, E = evenly taken."""

    @property
    def encoder_spec(self) -> EncoderSpec:
        """With the pyramid."""
        return replace(super().encoder_spec, pyramid=self.pyramid)

    @property
    def augmentation(self) -> Augmentation:
        """With shifts or without."""
        return replace(super().augmentation, shift=self.shift)

    @property
    def pretraining(self) -> SupervisedSpec:
        """With SCR's loss and rate, which falls after epochs 300 and 400 of 500."""
        return replace(
            super().pretraining, ce=self.ce, triplet=self.triplet, margin=self.margin, smoothing=0.0, warmup=0.0,
            drops=(0.6, 0.8), amsgrad=True,
        )  # fmt: skip


SMALL = preparation.SMALL | {"pretrain_steps": 160}  # of half as many pictures as other recipes have

ABLATIONS: dict[str, dict[str, Any]] = {  # thesis
    "Spatial p1+p2(s2)+p3(s3)": {"pyramid": "p1+p2(s2)+p3(s3)"},  # Table 3.2
    "Channel p1+p2(c2)+p3(c3)": {"pyramid": "p1+p2(c2)+p3(c3)"},
    "p1": {"pyramid": "p1"},  # Table 3.3
    "p2(s2c2)": {"pyramid": "p2(s2c2)"},
    "p3(s3c3)": {"pyramid": "p3(s3c3)"},
    "p1+p2(s2c2)": {"pyramid": "p1+p2(s2c2)"},
    "p1+p2(s2c2)+p3(s3c3)": {},
    "w/o L_triplet": {"triplet": 0.0},  # Table 3.4
    "lambda = 1": {"ce": 1.0},
    "lambda = 2": {"ce": 2.0},
    "lambda = 3": {"ce": 3.0},
    "TP(R)": {"video": "TP(R)"},  # Table 3.5
    "TPP(R)": {"video": "TPP(R)"},
    "TP(E)": {"video": "TP(E)"},
    "TPP(E)": {"video": "TPP(E)"},
}


def work(chosen: SCR) -> None:
    """A whole run."""
    job = Job.of(chosen)
    video = Tracklets(job.data["tgt"], chosen.height, chosen.width, chosen.video, chosen.seed) if chosen.video else None
    note = f"Sequences, by {chosen.video}." if chosen.video else ""
    adaptation.adapt(job, adaptation.Recipe("scr", "SCR", ROWS, "SCR", note, None), video)


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(SCR, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
