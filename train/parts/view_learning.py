"""GCL's generative module at work: views of pictures, its own stage before the joint one, sheets of what it makes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from opengspr import checkpoint, loop, ranks
from opengspr.checkpoint import Stateful
from opengspr.randomness import rng, seed_of
from train.parts import fid, report, run, sampling, structures
from train.parts.adversarial import fixed
from train.parts.backbones import Encoder
from train.parts.data import Augmentation, Images, evenly, from_bytes, signed, standardised, to_bytes, to_tensor
from train.parts.drawing import Painter
from train.parts.learning import Learning, Machine
from train.parts.mesh_net import Meshes
from train.parts.preparation import Job
from train.parts.ssim import ssim
from train.parts.structures import VIEWS
from train.parts.translation import BETAS
from train.parts.views import Made, Seen, ViewNets, ViewSpec, look

AS_THEY_ARE = Augmentation(erase=0.0, shift=False, flip=False)  # or bodies would not fit their pictures
SWAPPED = 128  # pictures by which swaps are measured
PAIRS = 500  # by which structural similarity is
COMPARED = 2000  # pictures whose new views are compared with them as sets
WEIGHTS = "views.safetensors"


@dataclass(frozen=True)
class ViewSchedule:
    """Of the module's own stage."""

    epochs: int
    steps: int
    batch: int
    lr: float


class Views:
    """Makes views of pictures: nets, and what structures there are.

    Args:
        nets: E_str, G and D.
        structures: of all pictures, see `parts/structures.py`.
        machine: what it runs on.
    """

    def __init__(self, nets: ViewNets, structures: Images, machine: Machine) -> None:
        self.nets, self.structures, self.machine = nets.to(machine.device), structures, machine

    def structure(self, index: np.ndarray, view: np.ndarray) -> Tensor:
        """Structure pictures (B, 3, H, W) in [-1, 1] of pictures `index` (B,) in views (B,)."""
        return from_bytes(self.structures.__getitems__(index * VIEWS + view), self.machine.device)

    def terms(
        self, encoder: Encoder, pictures: Tensor, every: Tensor, draws: np.random.Generator
    ) -> tuple[Seen, Made, dict[str, Tensor]]:
        """What all nets learn by, of a batch.

        Args:
            encoder: E_id.
            pictures: this rank's, (B / ranks, 3, H, W), as nets see them. every: (B,) which all ranks' are.
            draws: of new views, one for each.
        """
        mine = ranks.share(len(every))
        index, view = every.cpu().numpy()[mine], draws.integers(1, VIEWS, len(every))[mine]
        with self.machine.casting():
            seen = look(encoder, pictures)
            made = self.nets.made(encoder, seen, self.structure(index, 0 * view), self.structure(index, view))
            real = signed(pictures)
            with fixed(self.nets.judges):
                terms = self.nets.generative(encoder, real, seen, made)
            terms["judges"] = self.nets.judged(real, made)
        return seen, made, terms

    @torch.no_grad()
    def swapped(self, encoder: Encoder, target: Images) -> dict[str, float]:
        """How far, in the mean, a picture's feature is from that of what is made of it in another's structure, and of
        another in its own structure.
        """
        encoder.eval()
        index = evenly(len(target), SWAPPED)
        seen = look(encoder, to_tensor(target.__getitems__(index), self.machine.device))
        own, other = (self.nets.structure(self.structure(one, 0 * one)) for one in (index, np.roll(index, 1)))
        given = {"structure_swapped": (seen.identity, other), "identity_swapped": (seen.identity.roll(1, 0), own)}
        far = {}
        for name, codes in given.items():
            made = look(encoder, standardised(self.nets.decoder(*codes)))
            far[f"{name}_apart"] = float((made.feature - seen.feature).norm(dim=1).mean())
        return far

    @torch.no_grad()
    def shown(self, encoder: Encoder, target: Images, index: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        """A new view of each of pictures `index` (N,), (N, H, W, 3) uint8."""
        encoder.eval()
        view = draws.integers(1, VIEWS, len(index))
        found = [np.zeros((0, target.height, target.width, 3), np.uint8)]
        for part in np.split(np.arange(len(index)), range(SWAPPED, len(index), SWAPPED)):
            pictures = to_tensor(target.__getitems__(index[part]), self.machine.device)
            codes = look(encoder, pictures).identity, self.nets.structure(self.structure(index[part], view[part]))
            found.append(to_bytes(self.nets.decoder(*codes)))
        return np.concatenate(found)

    def similarity(
        self, encoder: Encoder, target: Images, label: np.ndarray, draws: np.random.Generator
    ) -> dict[str, float]:
        """Mean structural similarity (SSIM, Table 5.4) of pairs from one cluster: of pictures, and of their new views.

        Args:
            label: (N,) of the target's pictures. draws: of pairs and views.
        """
        pairs = pairs_within(label, PAIRS, draws)
        if not pairs.size:
            return {}
        pictures = target.__getitems__(pairs.ravel()), self.shown(encoder, target, pairs.ravel(), draws)
        names = ("pictures_similarity", "views_similarity")
        return {name: float(ssim(*np.split(one, 2)).mean()) for name, one in zip(names, pictures)}

    def realism(self, encoder: Encoder, target: Images, seed: int) -> str:
        """How far new views are from the pictures, as sets of them (FID, Table 5.4)."""
        if fid.missing():
            return f"Fréchet Inception distance of new views to the pictures: not measured, wanted {fid.missing()}"
        index = evenly(len(target), COMPARED)
        made = self.shown(encoder, target, index, rng(seed, "views", "fid"))
        real, new = map(Images.of_array, (target.__getitems__(index), made))
        distance = fid.fid(real, new, self.machine.device)
        return f"Fréchet Inception distance of {len(index):,} new views to the pictures: {distance:.1f}"

    @torch.no_grad()
    def sheets(self, encoder: Encoder, target: Images, seed: int) -> list[report.Sheet]:
        """Some pictures from all sides; in each other's structure; and ways from one identity to another."""
        encoder.eval()
        columns = report.SHEET_COLUMNS
        index = evenly(len(target), columns)
        pictures = target.__getitems__(index)
        identity = look(encoder, to_tensor(pictures, self.machine.device)).identity

        def made(who: Tensor, of: np.ndarray, view: int = 0) -> np.ndarray:
            return to_bytes(self.nets.decoder(who, self.nets.structure(self.structure(of, np.full(len(of), view)))))

        sides = {"picture": pictures, "its body": self.structures.__getitems__(index * VIEWS)}
        sides |= {
            "made again" if not view else f"at {45 * view}°": made(identity, index, view) for view in range(VIEWS)
        }
        swapped = {"who": pictures, "how": np.roll(pictures, 1, 0), "made": made(identity, np.roll(index, 1))}
        ways = {}
        share = torch.linspace(0, 1, columns - 2, device=self.machine.device).view(-1, 1, 1, 1)
        for k in range(0, len(index) - 1, 3):
            between = identity[k] * (1 - share) + identity[k + 1] * share
            steps = made(between, np.repeat(index[k], len(share)))
            ways[f"way {k // 3 + 1}"] = np.concatenate([pictures[k : k + 1], steps, pictures[k + 1 : k + 2]])
        return [
            report.Sheet("The same people from new sides", sides, self.realism(encoder, target, seed)),
            report.Sheet("One picture's identity in another's structure", swapped),
            report.Sheet("From the first picture's identity to the last's, in the first's structure", ways),
        ]


class ViewLearning(Learning):
    """The generative module's own stage: E_id stays as it is, the others learn (thesis section 5.3.3).

    Args:
        schedule, seed: of the stage.
        encoder: E_id. views: the others. target: pictures.
    """

    name = "views"

    def __init__(self, schedule: ViewSchedule, seed: int, encoder: Encoder, views: Views, target: Images) -> None:
        self.epochs, self.steps, self.size, self.seed = schedule.epochs, schedule.steps, schedule.batch, seed
        self.encoder, self.views, self.target, self.machine = encoder, views, target, views.machine
        self.augmentation = AS_THEY_ARE
        self.encoder.to(self.machine.device).eval().requires_grad_(False)
        self.optimizer = torch.optim.Adam(views.nets.parameters(), schedule.lr, betas=BETAS)
        self.at = (0, 0)

    def begin_epoch(self, epoch: int) -> Mapping[str, float]:
        """Nothing."""
        return {}

    def feed(self, epoch: int, step: int) -> None:
        """Pictures, one after the other."""
        self.given = self.opened(self.target, one_by_one(self, epoch, len(self.target), self.size), step, self.seed)

    def step(self, epoch: int, step: int) -> Mapping[str, Tensor]:
        """One update."""
        self.at = epoch, step
        return super().step(epoch, step)

    def loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 5.4, and the judges' own."""
        (pictures,), index = next(self.given)
        terms = self.views.terms(self.encoder, pictures, index, rng(self.seed, self.name, *self.at))[2]
        self.machine.passed["image_steps"] += 3 * len(index)
        return torch.stack([*terms.values()]).sum(), terms

    def end_epoch(self, epoch: int) -> Mapping[str, float]:
        """Tells what identity and structure do to the features of what is made."""
        return {**super().end_epoch(epoch), **self.views.swapped(self.encoder, self.target)}

    def nets(self) -> Iterable[nn.Module]:
        """E_str, G and D."""
        return [self.views.nets]

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one."""
        return [self.optimizer]

    def held(self) -> dict[str, Stateful]:
        """Nets and optimizer."""
        return {"nets": self.views.nets, "optimizer": self.optimizer}


def pairs_within(label: np.ndarray, most: int, draws: np.random.Generator) -> np.ndarray:
    """Pairs of pictures that share a label (N,): (2, P) numbers of pictures, at most so many pairs."""
    order = draws.permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]
    pairs = np.stack([order[:-1], order[1:]])[:, label[order[:-1]] == label[order[1:]]]
    kept: np.ndarray = draws.permutation(pairs.T)[:most].T
    return kept


def one_by_one(stage: Learning, epoch: int, count: int, size: int) -> list[np.ndarray]:
    """Batches of an epoch from `count` pictures, each of which comes as often as any other."""
    draws = rng(stage.seed, stage.name, "batches", epoch)
    return sampling.batches(np.full(count, -1), size, 1, stage.batches, draws)


def warmed_up(
    job: Job, spec: ViewSpec, schedule: ViewSchedule, encoder: Encoder, target: Images, meshes: Meshes, painter: Painter
) -> Views:
    """The module after its own stage, with the structures that it is shown; both are made once, in runs/stages.

    Args:
        job: whose target and settings.
        spec, schedule: of the module.
        encoder: E_id. target: the job's training crops. meshes: the bodies in them. painter: draws these.
    """
    chosen, data, size = job.chosen, job.data["tgt"], (target.height, target.width)
    contents: dict[str, Any] = {"meshes": meshes.fingerprint, "size": [*size], "by": type(painter).__name__}

    def draw(folder: Path) -> Mapping[str, Any]:
        return ranks.by_first(lambda: structures.draw(folder, meshes, painter, *size))

    drawn = run.shared_stage(chosen.runs, f"structures-{data.name}", contents, job.device, draw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(chosen.seed, "views"))
        nets = ViewNets(spec, encoder, target.height)
    views = Views(nets, structures.opened(drawn, *size), job.machine)
    contents = asdict(spec) | asdict(schedule) | {"seed": chosen.seed, "amp": chosen.amp, "structures": drawn.name}
    contents |= {"encoder": checkpoint.fingerprint(encoder.state_dict()), "data": data.fingerprint}

    def learn(folder: Path) -> Mapping[str, Any]:
        stage = ViewLearning(schedule, chosen.seed, encoder, views, target)
        cost = loop.run(stage, folder, chosen.watched)
        if ranks.first():
            checkpoint.save_weights(folder / WEIGHTS, nets.state_dict())
        return {"gan_image_steps": schedule.batch * schedule.epochs * schedule.steps, "cost": cost}

    job.stages.append(run.shared_stage(chosen.runs, f"views-{data.name}", contents, job.device, learn))
    path = job.stages[-1] / WEIGHTS
    checkpoint.fit(nets, checkpoint.read_weights(path)[0], path)
    return views
