"""Encoders: a convolutional body, pooling, BN-neck, and batch norms that can be kept apart by domain."""

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengspr import UserError, checkpoint
from opengspr.randomness import seed_of
from train.parts import architectures, branching
from train.parts.attention import EmbeddingHead
from train.parts.norms import split, work_by
from train.parts.pooling import UNITS, Poolings, Pyramid, levels, pooling
from train.parts.recurrent import Recurrent

SYNTHETIC = Path(__file__).parents[1] / "weights" / "synthetic.safetensors"  # pretrained on our renders; see its card


@dataclass(frozen=True)
class EncoderSpec:
    """What is needed to build an encoder again; kept inside every weights file.

    Attributes:
        backbone: one of `architectures.NAMES`.
        height, width: input size in pixels.
        pool: `gem` or `avg`.
        domains: sets of batch-norm statistics and parameters; 2 = source, target.
        branches: copies of the last stage side by side, each with a pooling of its own (`gem`, `avg`, `max`) and so
            many more blocks, as in `avg,max+1`; empty = one, pooled by `pool`.
        pyramid: levels, as in `p1+p2(s2c2)+p3(s3c3)`, each with its own copy of all that comes after the first block of
            the last stage but one (a ResNet's conv4_1), pooled by maxima of it and of its parts; empty = none.
        fusion: length of the fused feature of a body that looks twice, at a picture and at what is made of it (RAE);
            0 = it looks once.
        generator: what makes the second picture, see `recurrent.Recurrent`.
        embedding: numbers of the feature of `attention.EmbeddingHead`, which is in the place of pooling and BN-neck;
            0 = no such head.
        loops: T of its recurrent attention.
    """

    backbone: str
    height: int = 256
    width: int = 128
    pool: str = "gem"
    domains: int = 1
    branches: str = ""
    pyramid: str = ""
    fusion: int = 0
    generator: str = ""
    embedding: int = 0
    loops: int = 0

    @property
    def plain(self) -> "EncoderSpec":
        """The same without all that an encoder is given after it is built."""
        return replace(self, domains=1, branches="", pyramid="", fusion=0, generator="", embedding=0, loops=0)


class Encoder(nn.Module):
    """Pictures to features. Build with `build`."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec.plain
        self.body, self.width = architectures.body(spec.backbone, (spec.height, spec.width))
        if spec.pool == "gem" and getattr(self.body, "signed", False):
            raise UserError(f"--backbone {spec.backbone} --pool gem: its features have signs; wanted --pool avg")
        self.pool: nn.Module = pooling(spec.pool)
        self.neck: nn.Module
        self._neck(self.width)
        self.to(memory_format=torch.channels_last)
        if spec.branches:
            self.branch_out(spec.branches)
        if spec.pyramid:
            self.partition(spec.pyramid)
        if spec.fusion:
            self.look_twice(spec.fusion, spec.generator)
        if spec.embedding:
            self.embed(spec.embedding, spec.loops)
        if spec.domains > 1:
            self.split_domains(spec.domains)

    def _neck(self, channels: int) -> None:
        norm = nn.BatchNorm1d(channels)
        norm.bias.requires_grad_(False)
        self.channels, self.neck = channels, norm

    def branch_out(self, branches: str) -> None:
        """Copies the last stage into branches, see `EncoderSpec`; their further blocks begin as copies of its last.

        Raises:
            UserError: not such a text, or a body whose last stage is not known.
        """
        assert self._plain, "branch once, and before the domains"
        trunk, blocks, after = branching.last_stage(self.body, self.spec.backbone)
        ends, pools = [], []
        for word in branches.split(","):
            found = re.fullmatch(r"(gem|avg|max)(?:\+(\d))?", word)
            if not found:
                raise UserError(f"--branches {branches}: wanted gem, avg or max, with commas between, as in avg,max+1")
            if found[2] and len(blocks) < 2:  # the first block of a stage changes the map's size
                raise UserError(f"--branches {branches}: {self.spec.backbone}'s last stage has no block to be repeated")
            more = [blocks[-1]] * int(found[2] or 0)
            ends.append(nn.Sequential(*(copy.deepcopy(part) for part in (*blocks, *more, *after))))
            pools.append(pooling(found[1]))
        self.body, self.pool = branching.Branches(trunk, ends), Poolings(pools)
        self._neck(self.width * len(ends))
        self.spec = replace(self.spec, branches=branches)

    def partition(self, pyramid: str) -> None:
        """Gives the body a pyramid, see `EncoderSpec`; its copies begin alike.

        Raises:
            UserError: not such a text, or a body whose last stages are not known.
        """
        assert self._plain, "partition once, and before the domains"
        found = levels(pyramid)
        trunk, blocks, after = branching.last_stage(self.body, self.spec.backbone, earlier=True)
        ends = [nn.Sequential(*(copy.deepcopy(part) for part in (*blocks, *after))) for _ in found]
        self.body, self.pool = branching.Branches(trunk, ends), Pyramid(self.width, found)
        self.width = UNITS
        self._neck(UNITS * len(self.pool.units))
        self.spec = replace(self.spec, pyramid=pyramid)

    def look_twice(self, fusion: int, generator: str = "") -> None:
        """Makes the body look again at what is made of a picture, see `EncoderSpec`; means of the fused map are pooled.

        Raises:
            UserError: not such a generator.
        """
        assert self._plain, "before the domains"
        self.body, self.pool = Recurrent(self.body, self.width, fusion, generator), pooling("avg")
        self.width = fusion
        self._neck(fusion)
        self.spec = replace(self.spec, fusion=fusion, generator=generator)

    def embed(self, size: int, loops: int) -> None:
        """Gives the body an embedding head, see `EncoderSpec`, of random weights."""
        assert self._plain, "embed once, and before the domains"
        self.neck = EmbeddingHead(self.width, size, loops, *self.map_shape()[1:])
        self.pool = nn.Identity()
        self.channels = self.width = size
        self.spec = replace(self.spec, embedding=size, loops=loops)

    @torch.no_grad()
    def map_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the body's last map."""
        was_training, weight = self.body.training, next(self.body.parameters())
        maps = self.body.eval()(weight.new_zeros(1, 3, self.spec.height, self.spec.width))
        self.body.train(was_training)
        return maps.shape[1], maps.shape[2], maps.shape[3]

    @property
    def _plain(self) -> bool:
        return self.spec == self.spec.plain

    @property
    def whole(self) -> Sequence[int]:
        """Which of `parts` see all of a map."""
        return self.pool.whole if isinstance(self.pool, Pyramid) else range(self.channels // self.width)

    def parts(self, features: Tensor) -> tuple[Tensor, ...]:
        """Features (B, channels) of `forward` by branch or part, (B, width) each."""
        return features.split(self.width, 1)

    def map(self, x: Tensor, domain: int = 0) -> Tensor:
        """(B, 3, H, W) -> the last map, (B, width or branches x width, h, w); the norms as in `pooled`."""
        work_by(self, domain)
        found: Tensor = self.body(x)
        return found

    def pooled(self, x: Tensor, domain: int = 0) -> Tensor:
        """(B, 3, H, W) -> the pooled feature, (B, channels) float32; with an embedding head the map, (B, C, H', W').

        The norms work by `domain` until the next call.
        """
        pooled: Tensor = self.pool(self.map(x, domain).float())
        return pooled

    def forward(self, x: Tensor, domain: int = 0) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> the pooled feature and the same after the BN-neck, (B, channels) each; see `pooled`."""
        pooled = self.pooled(x, domain)
        return pooled, self.neck(pooled)

    def features(self, x: Tensor, domain: int = 0) -> Tensor:
        """What retrieval and memories use: the feature after the BN-neck, unit norm, (B, channels)."""
        return F.normalize(self(x, domain)[1], dim=1)

    def split_domains(self, domains: int) -> None:
        """Gives each domain its own copy of every batch norm; all begin as what there is now."""
        assert self.spec.domains == 1, "split once"
        split(self, domains)
        self.spec = replace(self.spec, domains=domains)

    def save(self, path: Path) -> None:
        """Writes the weights, with the spec beside them in the same file."""
        checkpoint.save_weights(path, self.state_dict(), {"encoder": json.dumps(asdict(self.spec))})


def load(path: Path) -> Encoder:
    """An encoder from a file of `Encoder.save`.

    Raises:
        UserError: not such a file, or weights that do not fit.
    """
    tensors, notes = checkpoint.read_weights(path)
    try:
        encoder = Encoder(EncoderSpec(**json.loads(notes["encoder"])))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: these weights do not say which encoder they belong to ({error})") from error
    checkpoint.fit(encoder, tensors, path)
    return encoder


def build(spec: EncoderSpec, init: str, seed: int) -> Encoder:
    """A new encoder.

    Args:
        spec: what to build.
        init: `none` (random), `imagenet`, `synthetic`, or the path of weights: of this project, or of torchvision's or
            IBN-Net's state dicts for the body.
        seed: of random weights.

    Raises:
        UserError: the weights are not to be had; the message names what is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "weights"))
        encoder = Encoder(replace(spec.plain, domains=spec.domains))
        _begin(encoder, spec, init)
        if spec.branches:
            encoder.branch_out(spec.branches)
        if spec.pyramid:
            encoder.partition(spec.pyramid)
        if spec.embedding:
            encoder.embed(spec.embedding, spec.loops)
    return encoder


def _begin(encoder: Encoder, spec: EncoderSpec, init: str) -> None:
    """Takes up weights, see `build`."""
    if init == "none":
        return
    others = "others: --init none, or --init PATH with weights"
    if init == "synthetic":
        tensors, notes = checkpoint.read_weights(SYNTHETIC)
        theirs = EncoderSpec(**json.loads(notes["encoder"]))
        if theirs.backbone != spec.backbone:
            raise UserError(f"--init synthetic: wanted --backbone {theirs.backbone}, as it was trained; {others}")
        if theirs.pool == spec.pool:
            checkpoint.fit(encoder, tensors, SYNTHETIC)
            return
        tensors = {name[5:]: value for name, value in tensors.items() if name.startswith("body.")}
    elif init == "imagenet":
        tensors = architectures.imagenet(spec.backbone, (spec.height, spec.width), others)
    elif not Path(init).is_file():
        raise UserError(f"--init {init}: no such file; wanted imagenet, synthetic, none or a file of weights")
    else:
        tensors, notes = checkpoint.read_weights(Path(init))
        if "encoder" in notes:
            checkpoint.fit(encoder, tensors, Path(init))
            return
    body = {name: value for name, value in tensors.items() if name.split(".")[0] not in ("fc", "classifier")}
    checkpoint.fit(encoder.body, body, init)


def mean_teacher(encoder: Encoder) -> Encoder:
    """A copy that is never trained, for `update_mean`."""
    teacher = copy.deepcopy(encoder).eval()
    return teacher.requires_grad_(False)


@torch.no_grad()
def update_mean(teacher: Encoder, student: Encoder, momentum: float) -> None:
    """Mean teacher: mean <- momentum mean + (1 - momentum) student, SMCR eq. 11.

    Running statistics are averaged the same way (our decision: the paper names parameters only); counters are copied.
    """
    pairs = [*zip(teacher.state_dict().values(), student.state_dict().values(), strict=True)]
    means, new = zip(*(pair for pair in pairs if pair[0].is_floating_point()))
    torch._foreach_lerp_(means, new, 1 - momentum)
    for count, now in pairs:
        if not count.is_floating_point():
            count.copy_(now)
