"""An encoder that labels a target by its own features and contrasts source and target with its own memory."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from opengspr import ranks
from train.parts import backbones, losses, pseudo_labels
from train.parts.backbones import Encoder
from train.parts.clustering import Distance
from train.parts.data import Labelled, Unlabelled
from train.parts.evaluation import extract
from train.parts.learning import Machine
from train.parts.memory import InstanceMemory, class_means


@dataclass(frozen=True)
class BranchSpec:
    """Settings of a branch; see `pseudo_labels.refine` and `losses.memory_contrastive`."""

    criterion: str
    cluster_by: str
    eps: float
    distance: Distance
    min_samples: int
    momentum: float
    temperature: float


class Branch:
    """SMCR's DTHR or RIHR, or SpCL by itself. Domain 0 is the source, 1 the target; without a source there is one.

    Args:
        spec: settings.
        encoder: what it begins as; copied, with batch norms kept apart by domain.
        source: labelled pictures; None = the target alone.
        machine: what it runs on.
    """

    def __init__(self, spec: BranchSpec, encoder: Encoder, source: Labelled | None, machine: Machine) -> None:
        self.spec, self.source, self.machine, self.device = spec, source, machine, machine.device
        self.encoder = copy.deepcopy(encoder)
        if source:
            self.encoder.split_domains(2)
        self.encoder.to(self.device).train()
        self.teacher = backbones.mean_teacher(self.encoder)
        self.source_label = torch.from_numpy(source.label if source else np.empty(0, np.int64)).to(self.device)
        empty = torch.zeros(0, encoder.channels)
        self.memory = InstanceMemory(empty, empty, spec.momentum)
        self.label = np.empty(0, np.int64)
        self.eps = spec.eps
        self.threshold: float | None = None

    def cluster(self, target: Unlabelled, first: bool) -> pseudo_labels.Clustered:
        """Labels the target by this branch's own features; fills the memory the first time."""
        by = self.encoder if self.spec.cluster_by == "online" else self.teacher
        features = extract(by, target.images)
        if first:
            own = features[:0]
            if self.source:
                own = class_means(extract(by, self.source.images, domain=0), self.source_label, self.source.classes)
            self.memory = InstanceMemory(own, features, self.spec.momentum)
        spec = self.spec
        how = spec.distance, spec.criterion, self.eps, spec.min_samples, self.threshold
        found = ranks.by_first(lambda: pseudo_labels.refine(features.cpu().numpy(), target.camid, *how))
        self.label, self.eps, self.threshold = found.label, found.eps, found.threshold
        return found

    def open_epoch(self) -> None:
        """Hands the labels to the memory, each image that stands alone being a class of its own."""
        self.memory.assign(torch.from_numpy(pseudo_labels.classes(self.label)).to(self.device))

    def joint(self, pictures: Sequence[Tensor], own: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Joint contrastive loss, SMCR eq. 4 and 10: one mean over source and target, against all classes.

        Args:
            pictures: this rank's, of the source, where there is one, and of the target, (B / ranks, 3, H, W) each.
            own, index: which pictures of the source and of the target they are, (B,) each; none of the source = (0,).

        Returns:
            the loss, the features (2B, D) with the source first, and their memory entries (2B,) for `memory.update`.
        """
        seen = [self.machine.features(self.encoder, given, domain) for domain, given in enumerate(pictures)]
        features = torch.cat(seen)
        label, sources = self.source_label[own], self.memory.sources
        classes = torch.cat([label, sources + self.memory.label[index]])
        loss = losses.memory_contrastive(features, self.memory.classes(), classes, self.spec.temperature)
        return loss, features, torch.cat([label, sources + index])

    def state_dict(self) -> dict[str, Any]:
        """All that coming steps depend on."""
        nets = {"encoder": self.encoder.state_dict(), "teacher": self.teacher.state_dict()}
        memory = {"entries": self.memory.entries, "sources": self.memory.sources}
        return nets | memory | {"label": torch.from_numpy(self.label), "eps": self.eps, "threshold": self.threshold}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a state."""
        self.encoder.load_state_dict(state["encoder"])
        self.teacher.load_state_dict(state["teacher"])
        self.memory.entries, self.memory.sources = state["entries"].to(self.device), state["sources"]
        self.label, self.eps, self.threshold = state["label"].numpy(), state["eps"], state["threshold"]
