"""ONNX files compute what torch computes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from train import export
from train.parts import backbones
from train.parts.data import to_tensor
from train.parts.evaluation import fuse


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two encoders, one with batch norms of two domains, which differ."""
    folder = tmp_path_factory.mktemp("run")
    for name, domains in (("one", 2), ("other", 1)):
        spec = backbones.EncoderSpec("timm:test_efficientnet", 32, 16, domains=domains)
        encoder = backbones.build(spec, "none", len(name))
        for tensor in encoder.buffers():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor))
        encoder.save(folder / f"{name}.safetensors")
    rows = '{"rows": {"both": {"one": 0.3, "other": 0.7}, "one": {"one": 1.0}}, "main": "both"}'
    (folder / "result.json").write_text(rows)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("row", ["both", "one"])
def test_features_are_torch_s_for_any_number_of_pictures(row: str, run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    export.main([str(run_folder), "--out", str(out), "--row", row])
    shares = {"both": {"one": 0.3, "other": 0.7}, "one": {"one": 1.0}}[row]
    session = onnxruntime.InferenceSession(out.read_bytes(), providers=["CPUExecutionProvider"])
    for count in (1, 5):
        pictures = np.random.default_rng(count).integers(0, 256, (count, 32, 16, 3), np.uint8)
        found = session.run(["features"], {"pictures": pictures.transpose(0, 3, 1, 2).astype(np.float32)})[0]
        encoders = [backbones.load(run_folder / f"{name}.safetensors").eval() for name in shares]
        with torch.no_grad():
            wanted = fuse([one.features(to_tensor(pictures), -1) for one in encoders], [*shares.values()])
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)


@pytest.mark.long
def test_a_file_that_computes_something_else_is_not_written(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    real = onnxruntime.InferenceSession.run
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda *given: [real(*given)[0] + 0.01])
    assert "differ from torch's by 0.01" in fails(export.main, [str(run_folder), "--out", str(tmp_path / "m.onnx")])
    assert not [*tmp_path.iterdir()]


def test_an_unknown_row_is_one_line(run_folder: Path, fails: Callable[..., str]) -> None:
    assert "--row best: wanted one of: both; one" in fails(export.main, [str(run_folder), "--row", "best"])
