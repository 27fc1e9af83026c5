"""ICE: inter-instance contrastive encoding (Chen et al., ICCV 2021; thesis chapter 6): `ice` in train/published.csv.

    python -m train.ice --tgt market                              # the target alone, from --init
    python -m train.ice --tgt market --no-camera-aware            # where cameras are not known
    python -m train.ice --src duke --tgt market                   # pretrained on the source; adapts without it

Idea: a cluster's centroid pulls all its pictures to one place, but pictures of one person differ by camera, pose and
by how they were augmented. So each picture is also drawn to what other cameras have of its cluster, to the least
similar picture of its cluster in the batch, and towards as much likeness to each picture of the batch as it had before
it was changed. Targets come from a slow mean of the encoder, which also clusters and retrieves. Pictures that are in no
cluster are left out.

Loss, eq. 6.3 and 6.8: agnostic + 0.5 cross + hard instance + 10 soft instance, of which rows of the tables leave some
out. Memory: fixed proxies (parts/proxies.py), means of an epoch's slow features. What is ours: the feature of eq. 6.5
is not of unit norm, since with unit vectors and a temperature of 0.5 no class could be likely; the others are cosines,
as printed; two draws of strong augmentation, one for the encoder and one for its slow mean; the slow mean runs with its
own statistics; K2 is 6; the rate rises linearly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from opengspr.checkpoint import Stateful
from train.parts import adaptation, backbones, losses, preparation, pseudo_labels
from train.parts.backbones import Encoder
from train.parts.data import Images
from train.parts.evaluation import Truth, extract
from train.parts.on_clusters import OneOnClusters
from train.parts.preparation import Job
from train.parts.proxies import Proxies

ROWS = {"ICE": {"ice_ema": 1.0}, "ICE, online": {"ice": 1.0}}


@dataclass(frozen=True, kw_only=True)
class ICE(adaptation.WarmedUp):
    """Contrast between the pictures of a batch, over clusters' proxies."""

    epochs: int = 40
    batch: int = 32
    lr_drop_every: int = 0
    """Epochs between tenfold drops of the rate; 0 = none."""
    eps: float = 0.55
    """Radius of DBSCAN; 0 = set once, at the first clustering, by a rule without labels."""
    ema: float = 0.999
    """Of the slow mean, eq. 6.2; in the small budget 1 - 20 / iterations."""
    view_blur: float = 0.5
    """Share of the pictures that are blurred in this stage, beside --blur's in all."""
    camera_aware: bool = True
    """Whether other cameras' proxies pull (eq. 6.7)."""
    temperature: float = 0.5
    """tau_a of eq. 6.5."""
    cross_weight: float = 0.5
    cross_temperature: float = 0.07
    """tau_c of eq. 6.7."""
    negatives: int = 50
    """N_neg of eq. 6.7."""
    hard_weight: float = 1.0
    """lambda_h of eq. 6.3."""
    hard_temperature: float = 0.1
    hard_negatives: Literal["all", "hardest"] = "all"
    soft_weight: float = 10.0
    """lambda_s of eq. 6.3."""
    soft_temperature: float = 0.4
    soft: Literal["kl", "mse", "strong"] = "kl"
    """Consistency with unchanged pictures by divergence or by squares; or with other changed ones (Table 6.3)."""
    labels: Literal["clusters", "truth"] = "clusters"
    """`truth`: the target's identities in the place of clusters, for the supervised row."""


SMALL = adaptation.SMALL | {"steps": 84, "warmup": 3, "ema": 1 - 20 / 1008}

BARE = {"hard_weight": 0.0, "soft_weight": 0.0}
ABLATIONS: dict[str, dict[str, Any]] = {  # thesis
    "ICE": {},
    "hardest negative": {"hard_negatives": "hardest"},  # Table 6.2
    "MSE": {"soft": "mse"},  # Table 6.3
    "Strong-strong Aug": {"soft": "strong"},
    "ResNet50": {"backbone": "resnet50"},  # Table 6.4
    "IBN-ResNet50": {"backbone": "ibn_resnet50"},
    **{f"threshold {eps}": {"eps": eps} for eps in (0.45, 0.5, 0.55, 0.6)},  # Table 6.5
    "aware baseline": BARE,  # Table 6.6
    "aware + h_ins": {"soft_weight": 0.0},
    "aware + s_ins": {"hard_weight": 0.0},
    "aware + h_ins + s_ins": {},
    "agnostic baseline": BARE | {"camera_aware": False},
    "agnostic + h_ins": {"soft_weight": 0.0, "camera_aware": False},
    "agnostic + s_ins": {"hard_weight": 0.0, "camera_aware": False},
    "agnostic + h_ins + s_ins": {"camera_aware": False},
    "truth labels": {"labels": "truth"},  # Table 6.7, supervised
}


class InterInstance(OneOnClusters):
    """ICE's own stage.

    Args:
        chosen: settings.
        encoder: what it begins with.
        identities: of the target's pictures, for the supervised row; else None.
        others: of `AdaptingStage`.
    """

    views, plain = 2, True
    chosen: ICE

    def __init__(self, chosen: ICE, encoder: Encoder, identities: np.ndarray | None, *others: Any) -> None:
        super().__init__(chosen, ROWS, encoder, *others)
        self.identities = identities
        self.augmentation = replace(self.augmentation, blur=max(self.augmentation.blur, chosen.view_blur))
        self.teacher = backbones.mean_teacher(self.encoder)
        self.camid = torch.from_numpy(self.target.camid).to(self.device)
        self.proxies = Proxies.none(encoder.channels, self.device)

    def seen_as(self, images: Images) -> Tensor:
        """The slow mean's features."""
        return extract(self.teacher, images)

    def clustered(self, features: np.ndarray, source: np.ndarray | None, epoch: int) -> pseudo_labels.Clustered:
        """By DBSCAN; not where identities are given."""
        if self.identities is None:
            return super().clustered(features, source, epoch)
        found = int(self.identities.max()) + 1
        return pseudo_labels.Clustered(self.identities, self.eps, found, 0, None, ())

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """The epoch's proxies."""
        self.proxies = Proxies.of(features, label, self.camid)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 6.3."""
        (strong, again, plain), label = self.next_batch()
        chosen, proxies = self.chosen, self.proxies
        _, features = self.machine.seen(self.encoder, strong)
        terms = {"agnostic": losses.memory_contrastive(features, proxies.clusters, label, chosen.temperature)}
        if chosen.camera_aware:
            signs = proxies.cross_camera(label, self.camid[self.index])
            cross = losses.nearest_contrastive(
                features, proxies.cameras, *signs, chosen.negatives, chosen.cross_temperature
            )
            terms["cross_camera"] = chosen.cross_weight * cross
        if chosen.hard_weight or chosen.soft_weight:
            with torch.no_grad():
                slow = self.machine.features(self.teacher, again)
        if chosen.hard_weight:
            all_of_them = chosen.hard_negatives == "all"
            hard = losses.hard_instance(features, slow, label, chosen.hard_temperature, all_of_them)
            terms["hard_instance"] = chosen.hard_weight * hard
        if chosen.soft_weight:
            with torch.no_grad():
                wanted = slow if chosen.soft == "strong" else self.machine.features(self.teacher, plain)
            soft = losses.instance_consistency(
                features, slow, wanted, chosen.soft_temperature, squared=chosen.soft == "mse"
            )
            terms["soft_instance"] = chosen.soft_weight * soft
        return torch.stack([*terms.values()]).sum(), terms

    def follow(self) -> None:
        """The slow mean follows, eq. 6.2."""
        backbones.update_mean(self.teacher, self.encoder, self.chosen.ema)

    def encoders(self) -> dict[str, Encoder]:
        """The encoder and its slow mean."""
        return {"ice": self.encoder, "ice_ema": self.teacher}

    def held(self) -> dict[str, Stateful]:
        """With the slow mean."""
        return super().held() | {"teacher": self.teacher}

    def state_dict(self) -> dict[str, Any]:
        """With proxies."""
        return super().state_dict() | {"proxies": self.proxies.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state."""
        super().load_state_dict(state)
        self.proxies = Proxies.from_state(state["proxies"], self.device)


def work(chosen: ICE) -> None:
    """A whole run."""
    job = Job.of(chosen, needs_source=False)
    identities = job.identities("tgt") if chosen.labels == "truth" else None
    if chosen.camera_aware:
        job.require_cameras(", or --no-camera-aware")
    if chosen.soft_weight and not chosen.hard_weight and not chosen.camera_aware:
        print(
            "warning: soft consistency alone keeps clusters loose (thesis Table 6.6: 65.8 -> 47.2 mAP on Market-1501)"
        )

    def build(encoder: Encoder, truth: Truth | None) -> InterInstance:
        return InterInstance(chosen, encoder, identities, job.target("tgt"), truth, job.machine)

    note = "ICE: the slow mean; online: the encoder itself."
    if identities is not None:
        note += " Supervised: trained with the target's identities, not comparable with the other methods."
    adaptation.adapt(job, adaptation.Recipe("ice", "ICE", ROWS, "ICE", note, build))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(ICE, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
