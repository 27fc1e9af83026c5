"""Whether a machine can tell the people apart: part of `python -m benchmarks.people`."""

import sys
import tempfile
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets.manifest import Crops
from datasets.opening import open_dataset
from labeler import label
from labeler.backends import Choice
from opengspr import loop
from opengspr.files import output_folder
from synth import render
from train.parts import backbones
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.data import Augmentation, Images, labelled
from train.parts.evaluation import extract
from train.parts.learning import Machine
from train.parts.supervised import Supervised, SupervisedSpec

NET = EncoderSpec("mobilenetv3_small_050", 192, 96, "gem")
PLACES = ("bank", "sidewalk_street", "parking_lot", "mountain_area")  # which both presets have
SPEC = SupervisedSpec(epochs=45, steps=80, lr=1e-2, augmentation=Augmentation(jitter=0.03))


def rank1(ids: int, shots: int, preset: str, folder: Path | None = None) -> dict[str, float]:
    """Share of queries whose nearest crop at another place and hour shows the same person.

    A small net that begins from nothing learns from half of each person's pictures, of ordinary people and of pairs of
    look-alikes, and retrieves with the other half: either kind among themselves, and as many ordinary people as there
    are look-alikes.

    Args:
        ids: ordinary people; half as many look-alikes. shots: pictures of each, as many at each of PLACES as at
            another. preset: the world whose light, cameras and people they are. folder: keeps what is made, so that
            the same call goes on where it was cut off.
    """
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place, redirect_stdout(sys.stderr):
        out = output_folder(place)
        order = render.Render(preset, PLACES, ids, per_id=shots, out=out / "plain", quality="draft", lookalikes=0.0)
        plain = _crops(order)
        pairs = _crops(replace(order, ids=ids // 2, out=out / "pairs", seed=1, lookalikes=1.0))
        halves = [_alternate(crops.pid) for crops in (plain, pairs)]
        net = _learn([crops.take(np.flatnonzero(half)) for crops, half in zip((plain, pairs), halves)], out / "run")
        some = plain.pid < np.median(plain.pid)
        return {
            "machine_rank1": _retrieve(net, plain.take(np.flatnonzero(~halves[0]))),
            "machine_rank1_half_as_many": _retrieve(net, plain.take(np.flatnonzero(~halves[0] & some))),
            "machine_rank1_lookalikes": _retrieve(net, pairs.take(np.flatnonzero(~halves[1]))),
        }


def _alternate(pid: np.ndarray) -> np.ndarray:
    """Every second picture of each person (N,) bool."""
    order = np.argsort(pid, kind="stable")
    out = np.empty(len(pid), bool)
    first = np.searchsorted(pid[order], pid[order])
    out[order] = (np.arange(len(pid)) - first) % 2 == 0
    return out


def _crops(settings: render.Render) -> Crops:
    assert settings.out is not None
    render.main(settings)
    data = settings.out.with_name(f"{settings.out.name}-crops")
    label.main(label.Settings((settings.out,), data, Choice("truth")))
    return open_dataset(data).crops


def _learn(sets: list[Crops], folder: Path) -> Encoder:
    encoder = backbones.build(NET, "none", 0)
    known = [labelled(crops, NET.height, NET.width) for crops in sets]
    loop.run(Supervised("people", SPEC, encoder, known, 0, Machine()), output_folder(folder))
    return encoder


def _retrieve(encoder: Encoder, crops: Crops) -> float:
    features = extract(encoder, Images(crops, NET.height, NET.width)).numpy()
    similarity = features @ features.T
    place, hour, pid = (crops.column(name) for name in ("place", "hour", "pid"))
    similarity[(place[:, None] == place) | (hour[:, None] == hour)] = -np.inf
    found = similarity.argmax(1)
    there = ((pid[:, None] == pid) & np.isfinite(similarity)).any(1)
    return float((pid[found] == pid)[there].mean())
