"""RAE: recurrent auto-encoder (Yang et al., 2022): `rae` in train/published.csv.

    python -m train.rae --src market --tgt duke
    python -m train.rae --src market --tgt duke --host jvtc         # with the pseudo-labels of JVTC, or of MMCL

Idea: features and pictures of the target are both to look like the source's. An encoder learns the source's identities
and the target's pseudo-labels; a discriminator that tells the domains' maps apart makes it keep them alike (FT). A
decoder makes pictures of maps, and a second discriminator, which knows only the source's pictures, makes those of the
target's maps look like the source's (PT); both losses reach the encoder. At last the encoder looks at what was made,
too, and bilinear pooling, which alone learns from it, fuses both maps (F); retrieval is by their mean (Algorithm 2).

Losses, with the equations' numbers: source (2-4) and target (5-7) classes and triplets; feature GAN (8); reconstruction
and pixel GAN (11-16); classes and triplets of the fused feature (21-23). Pre-pixel transfer (`--pixel pre`) is what the
paper compares with: the source's pictures are translated first, and the second look is at the target's translation.

What is ours, where the paper is silent or slips, is told in docs/rae.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengspr import ranks
from opengspr.checkpoint import Stateful
from opengspr.randomness import rng, seed_of
from train.parts import adaptation, hosts, losses, preparation, pseudo_labels, report, sampling, translating
from train.parts.adversarial import fixed
from train.parts.backbones import Encoder
from train.parts.cluster_head import ClusterHead, class_weights
from train.parts.data import Images, Labelled, evenly, signed, to_bytes, to_tensor
from train.parts.evaluation import Rows, Truth, apart, extract, pooled_of_some
from train.parts.learning import Optimizing, adam, sgd
from train.parts.norms import work_by
from train.parts.on_clusters import OnClusters
from train.parts.preparation import Job, translate
from train.parts.recurrent import Decoder, Discriminator, Recurrent

PLAIN: Rows = {"RAE": {"rae": 1.0}}
FUSED: Rows = {"RAE": {"rae": 1.0}, "RAE, features alone": {"rae_features": 1.0}}


@dataclass(frozen=True, kw_only=True)
class RAE(adaptation.Clustering):
    """An encoder and a decoder that carry features and pictures of the target to the source."""

    pool: Literal["gem", "avg"] = "avg"
    """Pooling of the last map: generalised mean, or the plain mean."""
    batch: int = 72
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.05
    """Of the encoder."""
    lr_others: float = 0.5
    """Of decoder, fusion, discriminators and classifiers."""
    weight_decay: float = 5e-5
    eps: float = 0.0
    """Radius of DBSCAN; 0 = set at each clustering by a rule without labels."""
    k1: int = 20
    dropout: float = 0.5
    """Before the classifiers."""
    triplet: float = 1.0
    """lambda_tri of eq. 2, 5, 22 and 23."""
    margin: float = 0.3
    feature_gan: float = 10.0
    """lambda_feat^gan of eq. 9; 0 = no feature transfer."""
    pixel: Literal["post", "pre", "none"] = "post"
    """Pixel transfer: by the decoder, before all by a translator of the source's pictures, or none."""
    pixel_gan: float = 10.0
    """lambda_pix^gan of eq. 11 and 14."""
    fusion: int = 2048
    """Length of the fused feature; 0 = no fusion."""
    host: hosts.Host = "cluster"
    """Whose pseudo-labels: DBSCAN's, MMCL's or JVTC's."""
    smoothing: int = hosts.SMOOTHING
    """Frames by which JVTC spreads a time between cameras."""


SMALL = adaptation.SMALL | {
    "steps": 35, "fusion": 512, "smoothing": 1000, "weight_decay": 5e-4, "optimizer": "adam", "lr": 3.5e-4,
    "lr_others": 3.5e-4, "feature_gan": 0.1, "pixel_gan": 0.1,
}  # fmt: skip

_BASE: dict[str, Any] = {"feature_gan": 0.0, "pixel": "none", "fusion": 0}
ABLATIONS: dict[str, dict[str, Any]] = {
    "direct-transfer": {"epochs": 0},  # Table IV; P^T is pre-pixel transfer
    "baseline": _BASE,
    "baseline + FT": {"pixel": "none", "fusion": 0},
    "baseline + PT": {"feature_gan": 0.0, "fusion": 0},
    "baseline + FT + PT": {"fusion": 0},
    "baseline + FT + PT + F": {},
    "baseline + P^T": _BASE | {"pixel": "pre"},
    "baseline + FT + P^T": {"pixel": "pre", "fusion": 0},
    "baseline + FT + P^T + F": {"pixel": "pre"},
    "MMCL host": {"host": "mmcl"},  # Tables II and III
    "JVTC host": {"host": "jvtc"},
    **{f"lambda_tri = {x:g}": {"triplet": x} for x in (0.1, 0.5, 1, 5)},  # Fig. 6, by grids of our own
    **{f"lambda_feat = {x:g}": {"feature_gan": float(x)} for x in (1, 5, 10, 50)},
    **{f"lambda_pix = {x:g}": {"pixel_gan": float(x)} for x in (1, 5, 10, 50)},
}


class Transfer(OnClusters):
    """RAE's own stage.

    Args:
        chosen: settings.
        encoder: what it begins with.
        labelled: the source's pictures, translated before or not.
        translator: width and blocks of the generator that the second look is at, and its weights; None = the decoder.
        others: of `AdaptingStage`.
    """

    chosen: RAE

    def __init__(
        self, chosen: RAE, encoder: Encoder, labelled: Labelled, translator: tuple[str, Any] | None, *others: Any
    ) -> None:
        super().__init__(chosen, FUSED if chosen.fusion else PLAIN, *others)
        self.labelled = labelled
        self.encoder, self.fused = encoder, encoder
        self.parts = nn.ModuleDict()
        channels = encoder.channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.seed, "rae"))
            self.parts["classifier"] = nn.Linear(channels, labelled.classes, bias=False)
            if chosen.feature_gan:
                self.parts["feature_judge"] = Discriminator(channels, 128)
            if chosen.fusion:
                encoder.split_domains(2)
                kind, weights = translator or ("", {})
                self.fused = Encoder(replace(encoder.spec, fusion=chosen.fusion, generator=kind))
                self.twice.body = encoder.body
                if kind:
                    self.twice.maker.load_state_dict(weights)
                self.parts["fusion"], self.parts["neck"] = self.twice.fusion, self.fused.neck
                self.parts["fused_classifier"] = nn.Linear(chosen.fusion, labelled.classes, bias=False)
            if chosen.pixel == "post":
                self.parts["decoder"] = self.twice.maker if chosen.fusion else Decoder(channels)
                self.parts["pixel_judge"] = Discriminator(3)
        for net in (encoder, self.fused, self.parts):
            net.to(self.device)
        work_by(self.fused, -1)
        known = torch.from_numpy(labelled.label).to(self.device)
        for name, net in {"classifier": encoder, "fused_classifier": self.fused}.items():
            if name in self.parts:  # what random rows would teach at first undoes what the encoder knows
                weights = class_weights(extract(net, labelled.images), known, labelled.classes)
                self.parts[name].load_state_dict({"weight": weights})
        for net in (encoder, self.fused, self.parts):
            net.train()
        optimizer: Optimizing = sgd if chosen.optimizer == "sgd" else adam
        self.slow = optimizer(encoder.parameters(), chosen.lr, chosen.weight_decay)
        self.fast = optimizer(self.parts.parameters(), chosen.lr_others, chosen.weight_decay)
        sizes = (channels, chosen.fusion) if chosen.fusion else (channels,)
        self.heads = [ClusterHead(size, chosen.weight_decay, self.device, optimizer) for size in sizes]
        self.at = (0, 0)

    @property
    def twice(self) -> Recurrent:
        """The body that looks twice."""
        assert isinstance(self.fused.body, Recurrent)
        return self.fused.body

    def seen_as(self, images: Images) -> Tensor:
        """The encoder's features."""
        return extract(self.encoder, images)

    def clustered(self, features: np.ndarray, source: np.ndarray | None, epoch: int) -> pseudo_labels.Clustered:
        """The host's labels."""
        chosen = self.chosen
        label = hosts.host(chosen.host, chosen.distance, chosen.eps, chosen.min_samples, chosen.smoothing)
        return label(features, self.target.camid, self.target.frame)

    def begin_clusters(self, features: Tensor, label: Tensor, rate: float) -> None:
        """Rates, and classifiers of the target's classes for either feature."""
        fast = self.chosen.lr_others * rate / self.chosen.lr
        self.slow.param_groups[0]["lr"], self.fast.param_groups[0]["lr"] = rate, fast
        self.heads[0].begin(features, label, fast)
        if self.chosen.fusion:
            self.heads[1].begin(extract(self.fused, self.target.images), label, fast)

    def feed(self, epoch: int, step: int) -> None:
        """A feed of clustered pictures, and one of the source's."""
        super().feed(epoch, step)
        draws, size, each = rng(self.seed, "source", epoch), self.chosen.batch, self.chosen.per_identity
        drawn = sampling.batches(self.labelled.label, size, min(each, size), self.batches, draws)
        self.known = self.opened(self.labelled.images, drawn, step, self.seed, "augment", epoch, "source")
        self.label_known = torch.from_numpy(self.labelled.label).to(self.device)

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update."""
        self.at = epoch, step
        return super().step(epoch, step)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """All modules' losses. What a discriminator is to be deceived by and what it learns by are apart: the one
        leaves its weights alone, the other sees detached maps and pictures."""
        chosen, ((own,), index) = self.chosen, next(self.known)
        (target,), label_target = self.next_batch()
        pictures, first = torch.cat([own, target]), torch.arange(2 * len(own), device=self.device) < len(own)
        self.is_source = ranks.gathered(first.float()) > 0.5
        self.labels = self.label_known[index], label_target
        with self.machine.casting():
            maps = self.encoder.map(pictures, -1).float()
            pooled = self.encoder.pool(maps)
        terms = self._identity("", self.machine.gathered(self.encoder, pooled), self.parts["classifier"], self.heads[0])
        if chosen.feature_gan:
            terms |= self._deceive("feature", chosen.feature_gan, maps[~first], maps[first], maps[~first])
        made = None
        if chosen.pixel == "post":
            with self.machine.casting():
                made = self.parts["decoder"](maps).float()
            wanted = F.interpolate(signed(pictures), size=made.shape[2:], mode="area")
            terms["reconstruction"] = F.mse_loss(made[first], wanted[first]) + F.mse_loss(made[~first], wanted[~first])
            terms |= self._deceive("pixel", chosen.pixel_gan, made, wanted[first], made)
        if chosen.fusion:
            with self.machine.casting():
                made = self.twice.made(pictures, maps) if made is None else made
                fused = self.fused.pool(self.twice.fused(maps, made, pictures.shape[2:]).float())
            seen = self.machine.gathered(self.fused, fused)
            terms |= self._identity("fused_", seen, self.parts["fused_classifier"], self.heads[1])
        return torch.stack([*terms.values()]).sum(), terms

    def _identity(
        self, name: str, seen: tuple[Tensor, Tensor], classifier: nn.Module, head: ClusterHead
    ) -> dict[str, Tensor]:
        """Classes and triplets of both domains, eq. 2-7 and 21-23."""
        terms, (pooled, neck) = {}, seen
        kept = torch.rand(neck.shape, generator=self._draws(name), device=neck.device) >= self.chosen.dropout
        neck = neck * kept / (1 - self.chosen.dropout)
        sides = ("source", self.is_source), ("target", ~self.is_source)
        guessed = classifier(neck[self.is_source]), head(neck[~self.is_source])
        for (side, of), guess, label in zip(sides, guessed, self.labels, strict=True):
            triplet = losses.triplet_hinge(pooled[of], label, self.chosen.margin)
            terms[f"{name}class_{side}"] = losses.cross_entropy(guess, label, 0.0)
            terms[f"{name}triplet_{side}"] = self.chosen.triplet * triplet
        return terms

    def _draws(self, name: str) -> torch.Generator:
        """Of dropout: every rank's are the same, since each has the losses of all."""
        return torch.Generator(self.device).manual_seed(seed_of(self.seed, "dropout", name, *self.at))

    def _deceive(self, name: str, weight: float, maker: Tensor, real: Tensor, made: Tensor) -> dict[str, Tensor]:
        """A discriminator's own loss, and what it makes of the maker's: eq. 8, 13, 16.

        Args:
            name: of the discriminator. weight: of the maker's term.
            maker: what is to be taken for the source's. real, made: what is the source's, and what is not.
        """
        judge = self.parts[f"{name}_judge"]
        with fixed(judge):
            deceived = losses.non_saturating(judge(maker), True)
        told = losses.non_saturating(judge(real.detach()), True) + losses.non_saturating(judge(made.detach()), False)
        return {f"{name}_gan": weight * deceived, f"{name}_judge": told}

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Tells how far the domains are apart."""
        means = [F.normalize(pooled_of_some(self.encoder, one)).mean(0, keepdim=True) for one in self._domains()]
        return {**super().end_epoch(epoch), "source and target_apart": apart(*means)}

    def _domains(self) -> tuple[Images, Images]:
        return self.labelled.images, self.target.images

    @torch.no_grad()
    def sheets(self) -> Sequence[report.Sheet]:
        """What the decoder makes of pictures of either domain."""
        if self.chosen.pixel != "post":
            return []
        made, decoder = [], self.parts["decoder"].eval()
        self.encoder.eval()
        for images, name in zip(self._domains(), ("source", "target")):
            chosen = evenly(len(images), report.SHEET_COLUMNS)
            before = images.__getitems__(chosen)
            after = decoder(self.encoder.map(to_tensor(before, self.device), -1).float())
            after = F.interpolate(after, size=before.shape[1:3], mode="bilinear")
            title = f"Pictures of the {name}, and what is made of their features"
            made.append(report.Sheet(title, {"before": before, "after": to_bytes(after)}))
        return made

    def nets(self) -> Iterable[nn.Module]:
        """All with batch norms."""
        return [self.encoder, self.parts]

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Of the encoder, of the others, of the target's classifiers."""
        return [self.slow, self.fast, *(head.optimizer for head in self.heads)]

    def encoders(self) -> dict[str, Encoder]:
        """With fusion the one that looks twice and the one that looks once."""
        return {"rae": self.fused} | ({"rae_features": self.encoder} if self.chosen.fusion else {})

    def held(self) -> dict[str, Stateful]:
        """With all nets and optimizers."""
        parts = {name: getattr(self, name) for name in ("encoder", "parts", "slow", "fast")}
        return super().held() | parts | {f"head_{k}": head for k, head in enumerate(self.heads)}


def work(chosen: RAE) -> None:
    """A whole run."""
    job = Job.of(chosen)

    def transferring(encoder: Encoder, truth: Truth | None) -> Transfer:
        labelled, translator = job.source("src"), None
        if chosen.pixel == "pre":
            labelled = translate(job, "src", "tgt")
            translator = translating.generator_back(chosen, job.stages[-1])
        return Transfer(chosen, encoder, labelled, translator, job.target("tgt"), truth, job.machine)

    rows = FUSED if chosen.fusion else PLAIN
    if chosen.epochs:
        adaptation.adapt(job, adaptation.Recipe("rae", "RAE", rows, "RAE", "", transferring))
    else:
        adaptation.adapt(job, adaptation.Recipe("rae", "RAE", {}, "direct transfer", "", None))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(RAE, SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
