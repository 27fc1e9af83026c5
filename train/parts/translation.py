"""Labelled pictures in the style of another domain: CycleGAN, SPGAN, eSPGAN.

All three learn two generators, there and back, against two patch discriminators, with cycle consistency and, inside a
domain, identity (colours stay): SMCR eq. 2 without its last term is CycleGAN here. SPGAN (Deng et al., 2018) adds a
siamese net that keeps a picture near its translation and away from the other domain. eSPGAN (Deng et al., 2018; SMCR's
translator) has in its place an identity embedding, learned from originals and translations, whose cross-entropy on the
translations reaches the generator: all of eq. 2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from opengspr import loop
from opengspr.checkpoint import Composed, Stateful
from opengspr.files import whole_file
from opengspr.randomness import rng, seed_of
from opengspr.watching import UNWATCHED, Watched
from train.parts import backbones, data, losses, sampling
from train.parts.data import Images, Labelled
from train.parts.generators import Discriminator, Generator, ImagePool
from train.parts.learning import Machine

BETAS = (0.5, 0.999)  # of Adam, for generators and discriminators
TRANSLATED = "translated.npy"


@dataclass(frozen=True)
class TranslationSpec:
    """Settings of a translator. The papers are silent on most; the defaults are CycleGAN's usual ones.

    Attributes:
        kind: `espgan`, `spgan` or `cyclegan`.
        epochs, steps: steps in all = epochs x steps.
        batch: pictures of each domain in a step.
        lr: falls linearly to zero over the second half.
        cycle, identity, cross_entropy: mu_1, mu_2 and mu_3 of SMCR eq. 2.
        siamese: weight of SPGAN's pair loss.
        width, blocks, light: of generators and discriminators.
        embedding: backbone of eSPGAN's identity embedding.
    """

    kind: str = "espgan"
    epochs: int = 30
    steps: int = 400
    batch: int = 4
    lr: float = 2e-4
    cycle: float = 10.0
    identity: float = 5.0
    cross_entropy: float = 1.0
    siamese: float = 2.0
    width: int = 64
    blocks: int = 9
    light: bool = False
    embedding: str = "resnet50"


class Embedding(nn.Module):
    """eSPGAN's identity embedding: an encoder and a classifier, pictures in [-1, 1] -> logits."""

    def __init__(self, backbone: str, height: int, width: int, classes: int, seed: int) -> None:
        super().__init__()
        self.encoder = backbones.build(backbones.EncoderSpec(backbone, height, width), "none", seed)
        self.classifier = nn.Linear(self.encoder.channels, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, classes)."""
        return self.classifier(self.encoder(data.standardised(x))[1])


class Translation(Composed, loop.Stage):
    """Training of a translator from `labelled` to `other`; a stage for `loop.run`.

    Args:
        name: of the stage.
        spec: settings.
        labelled: pictures with identities that are to be translated.
        other: pictures of the domain whose style they take; no identities.
        seed: of weights and draws.
        machine: what it runs on.
    """

    def __init__(
        self, name: str, spec: TranslationSpec, labelled: Labelled, other: Images, seed: int, machine: Machine
    ) -> None:
        self.name, self.spec, self.seed, self.machine, self.device = name, spec, seed, machine, machine.device
        self.epochs, self.steps = spec.epochs, spec.steps
        self.labelled, self.other = labelled, other
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, name, "weights"))
            self.nets = nn.ModuleDict(
                {
                    "there": Generator(spec.width, spec.blocks, spec.light),
                    "back": Generator(spec.width, spec.blocks, spec.light),
                    "judge_other": Discriminator(spec.width, spec.light),
                    "judge_own": Discriminator(spec.width, spec.light),
                }
            )
            if spec.kind == "espgan":
                size = labelled.images.height, labelled.images.width
                self.nets["guide"] = Embedding(spec.embedding, *size, labelled.classes, seed)
            elif spec.kind == "spgan":
                self.nets["guide"] = _siamese(spec.width)
        self.nets.to(self.device)
        self.pools = ImagePool(), ImagePool()
        self.makers = torch.optim.Adam(self._parameters("there", "back"), spec.lr, betas=BETAS)
        self.judges = torch.optim.Adam(self._parameters("judge_other", "judge_own"), spec.lr, betas=BETAS)
        guide = list(self._parameters("guide")) if "guide" in self.nets else [nn.Parameter(torch.zeros(1))]
        self.guide = torch.optim.Adam(guide, 3.5e-4, weight_decay=5e-4)

    def _parameters(self, *names: str) -> Iterable[nn.Parameter]:
        return chain(*(self.nets[name].parameters() for name in names))

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Sets the learning rate."""
        left = (self.epochs - epoch) / max(1.0, self.epochs / 2)
        for optimizer in (self.makers, self.judges):
            optimizer.param_groups[0]["lr"] = self.spec.lr * min(1.0, left)
        return {}

    def feed(self, epoch: int, step: int) -> None:
        """Streams of both domains."""
        draws = rng(self.seed, self.name, "batches", epoch)
        size, count = self.spec.batch, self.steps
        per_identity = 2 if size % 2 == 0 else 1
        self.own_batches = sampling.batches(self.labelled.label, size, per_identity, count, draws)[step:]
        other = sampling.batches(np.full(len(self.other), -1), size, 1, count, draws)[step:]
        self.own_stream, self.other_stream = self.labelled.images.stream(self.own_batches), self.other.stream(other)
        self.first = step

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update of generators, discriminators and guide."""
        label = torch.from_numpy(self.labelled.label[self.own_batches[step - self.first]]).to(self.device)
        draws = rng(self.seed, self.name, "step", epoch, step)
        own, other = (self._signed(next(stream), draws) for stream in (self.own_stream, self.other_stream))
        self.nets.requires_grad_(False)
        self.nets["there"].requires_grad_(True)
        self.nets["back"].requires_grad_(True)
        with self.machine.casting():
            terms, made_other, made_own = self._make(own, other, label)
        self.makers.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self.makers.step()

        self.nets.requires_grad_(True)
        shown_other, shown_own = (
            pool.exchange(made, draws) for pool, made in zip(self.pools, (made_other, made_own), strict=True)
        )
        with self.machine.casting():
            judged = 0.5 * (self._judge("judge_other", other, shown_other) + self._judge("judge_own", own, shown_own))
        self.judges.zero_grad()
        judged.backward()
        self.judges.step()
        if "guide" in self.nets:
            self.guide.zero_grad()
            with self.machine.casting():
                taught = self._teach(own, other, made_other.detach(), made_own.detach(), label)
            taught.backward()
            self.guide.step()
        return {name: term.detach() for name, term in terms.items()} | {"judges": judged.detach()}

    def _make(self, own: Tensor, other: Tensor, label: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The generators' terms of eq. 2, weighted, and what they made: own pictures there, the others back."""
        there, back, spec = self.nets["there"], self.nets["back"], self.spec
        made_other, kept_other = there(torch.cat([own, other])).chunk(2)
        made_own, kept_own = back(torch.cat([other, own])).chunk(2)
        cycle = (back(made_other) - own).abs().mean() + (there(made_own) - other).abs().mean()
        terms = {
            "adversarial": losses.least_squares(self.nets["judge_other"](made_other), True)
            + losses.least_squares(self.nets["judge_own"](made_own), True),
            "cycle": spec.cycle * cycle,
            "identity": spec.identity * ((kept_other - other).abs().mean() + (kept_own - own).abs().mean()),
        }
        if spec.kind == "espgan":
            terms["cross_entropy"] = spec.cross_entropy * losses.cross_entropy(self.nets["guide"](made_other), label)
        elif spec.kind == "spgan":
            terms["siamese"] = spec.siamese * self._pairs(own, other, made_other, made_own)
        return terms, made_other, made_own

    def _judge(self, name: str, real: Tensor, made: Tensor) -> Tensor:
        judge = self.nets[name]
        return 0.5 * (losses.least_squares(judge(real), True) + losses.least_squares(judge(made), False))

    def _teach(self, own: Tensor, other: Tensor, made_other: Tensor, made_own: Tensor, label: Tensor) -> Tensor:
        """What the guide learns from originals and translations."""
        if self.spec.kind == "spgan":
            return self._pairs(own, other, made_other, made_own)
        return losses.cross_entropy(self.nets["guide"](torch.cat([own, made_other])), label.repeat(2))

    def _pairs(self, own: Tensor, other: Tensor, made_other: Tensor, made_own: Tensor) -> Tensor:
        """SPGAN: a picture is like its translation, and a translation is unlike the pictures of its new domain."""
        old, new, then, back = self.nets["guide"](torch.cat([own, other, made_other, made_own])).chunk(4)
        alike = losses.siamese_contrastive(old, then, True) + losses.siamese_contrastive(new, back, True)
        unlike = losses.siamese_contrastive(then, new, False) + losses.siamese_contrastive(back, old, False)
        return (alike + unlike) / 4

    def _signed(self, pictures: np.ndarray, draws: np.random.Generator) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, 3, H, W) in [-1, 1], half of them flipped."""
        flip = draws.random(len(pictures)) < 0.5
        pictures = np.where(flip[:, None, None, None], pictures[:, :, ::-1], pictures)
        return data.from_bytes(pictures, self.device)

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Nothing to add."""
        return {}

    def held(self) -> dict[str, Stateful]:
        """Nets, optimizers, pools."""
        optimizers = {"makers": self.makers, "judges": self.judges, "guide": self.guide}
        return {"nets": self.nets, "pool_other": self.pools[0], "pool_own": self.pools[1], **optimizers}


def _siamese(width: int) -> nn.Module:
    """SPGAN's siamese net, (B, 3, H, W) -> (B, 128) of unit norm."""
    layers: list[nn.Module] = []
    for channels_in, channels in ((3, width), (width, 2 * width), (2 * width, 4 * width), (4 * width, 8 * width)):
        layers += [nn.Conv2d(channels_in, channels, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 128), _Unit())


class _Unit(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(x, dim=1)


def build(folder: Path, stage: Translation, watched: Watched = UNWATCHED) -> dict[str, Any]:
    """Trains a translator in `folder`, resuming, and writes its pictures to `translated.npy` there.

    The file holds (N, H, W, 3) uint8, in the order of the labelled pictures, whose labels they keep.

    Returns:
        what to keep as the stage's result.
    """
    cost = loop.run(stage, folder, watched)
    write_pictures(folder / TRANSLATED, stage.nets["there"].eval(), stage.labelled.images, stage.machine)
    pictures = stage.spec.batch * stage.epochs * stage.steps
    return {"pictures": len(stage.labelled.images), "gan_image_steps": pictures, "cost": cost}


@torch.no_grad()
def write_pictures(path: Path, generator: nn.Module, images: Images, machine: Machine, size: int = 32) -> None:
    """Translates all pictures into an .npy file, a batch at a time."""
    shape = (len(images), images.height, images.width, 3)
    parts = np.split(np.arange(len(images)), range(size, len(images), size))
    with whole_file(path) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for pictures in images.stream(parts):
            with machine.casting():
                made = generator(data.from_bytes(pictures, machine.device))
            file.write(data.to_bytes(made).tobytes())


def read_pictures(folder: Path) -> Images:
    """The pictures that `build` wrote, memory-mapped."""
    return Images.of_array(np.load(folder / TRANSLATED, mmap_mode="r"))
