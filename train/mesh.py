"""Body meshes of crops: a regressor that learns from our renders, whose bodies are known exactly.

    python -m train.mesh --capture mini-gspr
    python -m train.mesh --capture mini-gspr --predict market      # then: a mesh for each training crop

Where the thesis takes Human Mesh Recovery (Kanazawa et al., CVPR 2018), a net for which one registers, our collector
is the teacher: the shape, the pose and the camera of every body are known, so that keypoints in the picture and in
space, and the body's surface, are learnt from directly; no critic of unpaired poses is needed. The body is our own
(MakeHuman's, CC0), as 10 principal components of the capture's people and the rotations of 22 bones; of a capture with
SMPL-X bodies (`--body-dir`) the space is that of their shapes.

A run ends with figures on people that it has not learnt from, beside those of the average body in the average place.
"""

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from datasets.opening import open_dataset
from datasets.unlabelled import unlabelled
from opengspr import UserError, command, loop, ranks
from opengspr.checkpoint import Stateful
from opengspr.command import data_root
from opengspr.files import output_folder, write_whole
from opengspr.randomness import rng, seed_of
from synth.capture import Capture, open_capture
from synth.person.tiers import Tiers
from synth.poses import BodySpace, People, body_space
from train.parts import backbones, drawing, mesh_net, run, settings
from train.parts.backbones import EncoderSpec
from train.parts.body import BodyModel, projected
from train.parts.data import Augmentation, Images
from train.parts.learning import Learning, Machine
from train.parts.mesh_figures import measured, sheet
from train.parts.mesh_net import Meshes, Regressor
from train.parts.shots import Crops, Shots, drawn_boxes, floats, plain

SEEN = 0.6  # of a person, at least
FRONT = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]  # facing of somebody who looks into the camera
MODEL = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Mesh(settings.Common):
    """Learns to see the body in a crop; writes meshes for a dataset's pictures."""

    capture: str = ""
    """Capture whose people are learnt from: a name in DATA/captures, or a path; or several, with commas."""
    test: str | None = None
    """Another capture, on whose people the figures are; else on a tenth of the first's, whom it does not learn from."""
    predict: str | None = None
    """Dataset whose training crops then get meshes: a name or a path."""
    body_dir: Path | None = None
    """Your SMPL-X model files, where the capture was made with them."""
    draw_by: drawing.By = "auto"
    """What draws the sheets and the silhouettes: egl or osmesa (pyrender), torch, or the first that works."""
    again: bool = False
    """Start anew where a finished run stands, in a folder beside it."""
    force: bool = False
    """Resume although settings, data or device differ from those that the run began with."""
    backbone: str = "resnet50"
    """resnet18_half, resnet18, ibn_resnet18, resnet50, ibn_resnet50, mobilenetv3_small_050, timm:NAME."""
    init: str = "imagenet"
    """Weights to begin with: imagenet, synthetic, none, or a file."""
    height: int = 256
    width: int = 128
    amp: Literal["auto", "bf16", "off"] = "auto"
    """Arithmetic of the net: bf16, float32 (off), or by the device: bf16 on GPUs that have it."""
    shots: int = 40000
    """Shots to learn from at most, evenly chosen."""
    components: int = 10
    """Numbers in which a body's shape is told."""
    epochs: int = 50
    steps: int = 400
    batch: int = 64
    lr: float = 3.5e-4
    """Grows for a fiftieth of the steps, then falls to nothing by a cosine."""
    weight_decay: float = 1e-4
    attention: float = 1.0
    """Weight of where the net looks for the keypoints."""
    depth: float = 2.0
    """Weight of how deep it says they are, metres."""
    flat: float = 1.0
    """Weight of keypoints in the picture; half of its sides are 1."""
    solid: float = 2.0
    """Weight of keypoints in space, metres."""
    surface: float = 2.0
    """Weight of vertices in space, metres."""
    rotation: float = 1.0
    """Weight of the numbers of rotations, the bones' and the body's own, before these are made rotations."""
    shape: float = 0.02
    """Weight of the shape's numbers, one standard deviation being 1."""
    pad: float = 0.1
    """Share of a box's sides by which each of its edges moves, at most: real boxes are not ours."""
    cut: float = 0.2
    """Share of the crops that lack up to a third at the bottom or at a side, as at a frame's edge."""
    erase: float = 0.3
    """Share of the crops in which a rectangle is erased."""
    jitter: float = 0.2
    """Strength of colour jitter."""
    blur: float = 0.3
    """Share of the crops that are blurred."""

    @property
    def augmentation(self) -> Augmentation:
        """Of what is in the crops; where their edges are is `drawn_boxes`'s."""
        return Augmentation(self.erase, self.jitter, self.blur, shift=False, flip=False)


SMALL: dict[str, Any] = {
    "backbone": "resnet18_half", "init": "none", "height": 128, "width": 64, "epochs": 90, "steps": 100,
    "lr": 2e-3, "shots": 12000,
}  # fmt: skip
OF_OUTPUT = ("predict", "draw_by")  # flags that do not shape the net
WARM_UP = 0.02  # share of the steps
SKIN = 256  # vertices that a step compares
MANY = 10**6  # more people than a capture has


def read_shots(people: Sequence[People], space: BodySpace, most: int) -> Shots:
    """Shots of captures in which enough of the person is seen; at most so many, evenly chosen.

    Raises:
        UserError: there is none.
    """
    total = sum(int(some.capture.info["shots"]) for some in people)
    rows: list[tuple[Any, ...]] = []
    for number, some in enumerate(people):
        rows += _rows(some, space, number, -(-total // most))
    if not rows:
        names = ",".join(str(some.capture.path) for some in people)
        raise UserError(f"--capture {names}: no shot in which {SEEN:.0%} of a person are seen")
    pictures, size, box, pid, *others = zip(*rows, strict=True)
    shape, turns, facing, at = (floats(part) for part in others)
    return Shots(pictures, floats(size), floats(box), np.array(pid), shape, turns, facing, at)


def _rows(people: People, space: BodySpace, number: int, every: int) -> Iterator[tuple[Any, ...]]:
    """Of every so manieth shot of a capture, the parts of `Shots`; people of several captures by its number."""
    captured, shapes = people.capture, dict[int, np.ndarray]()
    bar = tqdm(captured.shots(), f"bodies of {captured.name}", captured.info["shots"], unit="shot", disable=None)
    for shot in islice(bar, 0, None, every):
        if shot.truth["visible_share"] < SEEN:
            continue
        stands = people.standing(shot, space, shapes)
        (x, y), scale = shot.truth["region"][:2], shot.truth["scale"]
        with Image.open(BytesIO(shot.jpg)) as picture:
            size = picture.size
        box = (np.array(shot.truth["box"]) - [x, y, x, y]) * scale
        pid, place = number * MANY + shot.truth["pid"], [stands.scale, *stands.at]
        yield shot.jpg, size, box, pid, stands.shape, stands.turns, stands.facing, place


class Meshing(Learning):
    """The stage.

    Args:
        chosen: settings. net: to be trained. shots: to learn from. machine: what it runs on.
    """

    name = "mesh"
    clip = 1.0  # a rotation's numbers may come near zero, where its gradient has no bound

    def __init__(self, chosen: Mesh, net: Regressor, shots: Shots, machine: Machine) -> None:
        self.seed, self.epochs, self.steps, self.chosen = chosen.seed, chosen.epochs, chosen.steps, chosen
        self.net, self.shots, self.machine = net.to(machine.device).train(), shots, machine
        self.augmentation = chosen.augmentation
        self.optimizer = torch.optim.AdamW(net.parameters(), chosen.lr, weight_decay=chosen.weight_decay, fused=True)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Nothing."""
        return {}

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update, at its rate, by other vertices than the last."""
        done = (epoch * self.steps + step + 1) / (self.epochs * self.steps + 1)
        rate = self.chosen.lr * min(1.0, done / WARM_UP) * (1 + math.cos(math.pi * done)) / 2
        self.optimizer.param_groups[0]["lr"] = rate
        vertices = rng(self.seed, self.name, "skin", epoch, step).permutation(len(self.net.model.weights))[:SKIN]
        self.model = self.net.model.of_vertices(torch.from_numpy(vertices).to(self.machine.device))
        return super().step(epoch, step)

    def feed(self, epoch: int, step: int) -> None:
        """All shots in turn, cut anew."""
        draws, count = rng(self.seed, self.name, epoch), self.batches * self.chosen.batch
        rounds = [draws.permutation(len(self.shots)) for _ in range(-(-count // len(self.shots)))]
        index = torch.from_numpy(np.concatenate(rounds)[:count])
        box = drawn_boxes(self.shots, index, self.chosen.pad, self.chosen.cut, draws)
        flip = torch.from_numpy(draws.random(count) < 0.5)
        self.crops = Crops(self.shots, index, box, flip, self.chosen.height, self.chosen.width)
        batches = [*np.arange(count).reshape(self.batches, -1)]
        self.given = self.opened(self.crops, batches, step, self.seed, "augment", epoch)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Keypoints in the picture and in space, the surface, and what moves them."""
        (pictures,), index = next(self.given)
        with self.machine.casting():
            numbers, logits, depth = self.net.looked(pictures)
        self.machine.passed["image_steps"] += 3 * len(index)
        model, chosen = self.model, self.chosen
        guess, truth = self.net.pose(numbers), self.crops.pose(model, index[ranks.share(len(index))])
        wanted = mesh_net.packed(truth)
        rotations = slice(None, 6 * model.bones + 6)
        (skin, joints), (true_skin, true_joints) = model(guess), model(truth)
        places = projected(true_joints, truth.camera)
        terms = {
            "attention": chosen.attention * self.net.attended(logits, places),
            "depth": chosen.depth * (depth - true_joints[..., 2]).abs().mean(),
            "flat": chosen.flat * (projected(joints, guess.camera) - places).abs().mean(),
            "solid": chosen.solid * (joints - true_joints).abs().mean(),
            "surface": chosen.surface * (skin - true_skin).abs().mean(),
            "rotation": chosen.rotation * (numbers - wanted)[:, rotations].abs().mean(),
            "shape": chosen.shape * (guess.shape - truth.shape).abs().mean(),
        }
        return torch.stack([*terms.values()]).sum(), terms

    def nets(self) -> Iterable[nn.Module]:
        """The one."""
        return [self.net]

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one."""
        return [self.optimizer]

    def held(self) -> dict[str, Stateful]:
        """Net and optimizer."""
        return {"net": self.net, "optimizer": self.optimizer}


def work(chosen: Mesh) -> None:
    """Trains, unless that was done; writes meshes where they are asked for."""
    if not chosen.capture:
        raise UserError("--capture: wanted a capture's name or path")
    captures = [open_capture(_where(name, chosen)) for name in chosen.capture.split(",")]
    others = [open_capture(_where(chosen.test, chosen))] if chosen.test else []
    machine = Machine.of(run.choose_device(chosen.device), chosen.amp)
    contents = {k: v for k, v in settings.of_the_result(chosen).items() if k not in OF_OUTPUT}
    contents["data"] = {one.name: _fingerprint(one) for one in captures + others}
    output_folder(chosen.runs)
    name = "+".join(one.name for one in captures)
    folder = run.choose_folder(chosen.runs, "mesh", name, chosen.seed, contents, chosen.again)
    if run.result_of(folder) is None:
        with run.opened(folder, contents, machine.device, chosen.force):
            train(chosen, captures, others, folder, machine)
    else:
        print(f"finished earlier (--again runs it anew): {folder / MODEL}")
    if chosen.predict:
        predict(chosen, folder, machine)


def _where(name: str, chosen: Mesh) -> Path:
    return Path(name) if "/" in name else data_root(chosen.data_root) / "captures" / name


def _fingerprint(captured: Capture) -> str:
    """Of its settings and of which units there are."""
    names = [unit.name for unit in captured.units()]
    return hashlib.sha256(json.dumps([captured.info, names], sort_keys=True).encode()).hexdigest()


def train(chosen: Mesh, captures: Sequence[Capture], others: Sequence[Capture], folder: Path, machine: Machine) -> None:
    """A run: net, figures on people whom it does not know, sheet."""
    tiers = Tiers(smplx=chosen.body_dir)
    people = [People(one, tiers) for one in captures]
    space = body_space([body for some in people for body in some.bodies()], chosen.components)
    model = BodyModel({name: torch.from_numpy(getattr(space, name)) for name in BodyModel.parts}).float()
    shots = read_shots(people, space, chosen.shots)
    if others:
        unknown = read_shots([People(one, tiers) for one in others], space, chosen.shots)
    else:
        held = np.isin(shots.pid, np.unique(shots.pid)[9::10])
        shots, unknown = shots.take(np.flatnonzero(~held)), shots.take(np.flatnonzero(held))
        if not len(unknown):
            raise UserError(
                f"--capture {chosen.capture}: fewer than ten people, so nobody to measure on; wanted --test"
            )
    known = plain(shots, chosen.height, chosen.width)
    truth = known.pose(model, torch.arange(len(shots)))
    front = torch.tensor(FRONT).expand(len(shots), 3, 3)  # people look everywhere: the mean of that is no rotation
    mean = mesh_net.packed(truth._replace(facing=front)).mean(0)
    spec = EncoderSpec(chosen.backbone, chosen.height, chosen.width, "avg")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(chosen.seed, "mesh"))
        net = Regressor(backbones.build(spec, chosen.init, chosen.seed), model, mean)
    cost = loop.run(Meshing(chosen, net, shots, machine), folder, chosen.watched)
    if not ranks.first():
        return
    net.save(folder / MODEL)
    crops, painter = plain(unknown, chosen.height, chosen.width), drawing.painter(net.model, chosen.draw_by)
    truth = crops.pose(net.model, torch.arange(len(unknown), device=machine.device))
    average = mesh_net.unpacked(net.get_buffer("mean").expand(len(unknown), -1), model.bones, len(model.components))
    guess = mesh_net.regressed(net, crops)
    figures = {row: measured(pose, truth, net.model, painter) for row, pose in (("net", guess), ("mean", average))}
    write_whole(folder / "sheet.jpg", sheet(crops, guess, net.model, painter))
    run.finish(folder, {"figures": figures, "people": len(np.unique(unknown.pid)), "crops": len(unknown), "cost": cost})
    print(_table(figures, unknown))
    print(f"bodies over some of them: {folder / 'sheet.jpg'}\nmodel: {folder / MODEL}")


def _table(figures: Mapping[str, Mapping[str, float]], unknown: Shots) -> str:
    """The figures, one line each."""
    told = {
        "mpjpe_mm": "mm, keypoints from the pelvis", "pa_mpjpe_mm": "mm, keypoints, aligned",
        "pve_mm": "mm, vertices from the pelvis", "flat": "of the crop's height, keypoints in the picture",
        "iou": "overlap of silhouettes",
    }  # fmt: skip
    lines = [f"{len(unknown):,} crops of {len(np.unique(unknown.pid))} people who were not learnt from"]
    lines.append(f"{'net':>10}{'average':>10}")
    for name, text in told.items():
        digits = 1 if name.endswith("mm") else 3
        lines.append("".join(f"{figures[row][name]:10.{digits}f}" for row in ("net", "mean")) + f"  {text}")
    return "\n".join(lines)


def predict(chosen: Mesh, folder: Path, machine: Machine) -> None:
    """Meshes of a dataset's training crops, in the order in which a method that knows no labels sees them."""
    assert chosen.predict
    dataset = open_dataset(chosen.predict, chosen.data_root)
    path = folder / f"{dataset.name}.meshes.safetensors"
    net = mesh_net.load(folder / MODEL).to(machine.device)
    images = Images(unlabelled(dataset.split("train")), net.spec.height, net.spec.width)
    pose = mesh_net.regressed(net, images)
    Meshes(net.model, mesh_net.packed(pose), {"data": dataset.fingerprint}).save(path)
    page = path.with_name(f"{dataset.name}.jpg")
    write_whole(page, sheet(images, pose, net.model, drawing.painter(net.model, chosen.draw_by)))
    print(f"bodies over some of them: {page}\nmeshes of {len(images):,} crops: {path}")


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    given = sys.argv[1:] if args is None else list(args)

    def begin(first: Mesh) -> None:
        work(settings.resolve(first, given, SMALL, {}, lambda one: run.choose_device(one.device) == "cpu"))

    ranks.begin()
    command(Mesh, begin, given)


if __name__ == "__main__":
    main()
