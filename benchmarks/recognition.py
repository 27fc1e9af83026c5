"""Whether a machine can tell the people apart: part of `python -m benchmarks.people`."""

import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from datasets.manifest import Crops, open_dataset
from labeler import label
from synth import render
from train.parts import backbones, loop
from train.parts.backbones import Encoder, EncoderSpec
from train.parts.data import Images, labelled
from train.parts.evaluation import extract
from train.parts.supervised import Supervised, SupervisedSpec

NET = EncoderSpec("mobilenetv3_small_050", 128, 64, "avg")
SPEC = SupervisedSpec(epochs=30, steps=80, lr=1e-2, jitter=0.2)


def rank1(ids: int, shots: int) -> dict[str, float]:
    """Share of queries whose nearest crop at another place and hour shows the same person.

    A small net, which begins from nothing, learns from half of the people and retrieves the other half, whom it has
    never seen; and then as many others, each of whom has a look-alike among them. This takes half an hour.

    Args:
        ids: people. shots: pictures of each, over all viewpoints of the places there are.
    """
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        out = Path(folder)
        crops = _crops(render.Render(ids=ids, per_id=shots, out=out / "people", quality="draft"))
        alike = _crops(
            render.Render(ids=ids // 2, per_id=shots, out=out / "alike", quality="draft", seed=1, lookalikes=1.0)
        )
        pids = np.unique(crops.pid)
        known = np.isin(crops.pid, pids[: len(pids) // 2])
        encoder = _learn(crops.take(np.flatnonzero(known)), out)
        return {
            "machine_rank1": _retrieve(encoder, crops.take(np.flatnonzero(~known))),
            "machine_rank1_lookalikes": _retrieve(encoder, alike),
        }


def _crops(settings: render.Render) -> Crops:
    assert settings.out is not None
    render.main(settings)
    data = settings.out.with_name(f"{settings.out.name}-crops")
    label.main(label.Settings((settings.out,), out=data))
    return open_dataset(data).crops


def _learn(crops: Crops, folder: Path) -> Encoder:
    encoder = backbones.build(NET, "none", 0)
    loop.run(Supervised("people", SPEC, encoder, [labelled(crops, NET.height, NET.width)], 0, "cpu"), folder)
    return encoder


def _retrieve(encoder: Encoder, crops: Crops) -> float:
    features = extract(encoder, Images(crops, NET.height, NET.width)).numpy()
    similarity = features @ features.T
    place, hour, pid = (crops.column(name) for name in ("place", "hour", "pid"))
    similarity[(place[:, None] == place) | (hour[:, None] == hour)] = -np.inf
    found = similarity.argmax(1)
    there = ((pid[:, None] == pid) & np.isfinite(similarity)).any(1)
    return float((pid[found] == pid)[there].mean())
