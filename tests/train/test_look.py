"""Maps of features, and where a model looks."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.train.worlds import draw_world
from train import look
from train.parts import backbones


def test_attention_is_where_the_wanted_feature_comes_from() -> None:
    """A net whose features are the mean colours of a picture looks at what has the wanted colour."""
    encoder = backbones.build(backbones.EncoderSpec("timm:test_efficientnet", 32, 16, "avg"), "none", 0).eval()
    encoder.body, encoder.neck = nn.Sequential(nn.ReLU(), nn.AvgPool2d(4)), nn.Identity()
    pictures = np.zeros((2, 32, 16, 3), np.uint8)
    pictures[0, :16, :, 0], pictures[0, 16:, :, 2] = 255, 255  # red above, blue below
    pictures[1, :16, :, 2], pictures[1, 16:, :, 0] = 255, 255
    heat = look.attention(encoder, pictures, torch.tensor([[1.0, 0, 0], [1.0, 0, 0]]))
    assert heat.shape == (2, 32, 16) and heat.max() == 1 and heat.min() == 0
    assert heat[0, :14].min() > 0.9 and heat[0, 18:].max() < 0.1
    assert heat[1, 18:].min() > 0.9 and heat[1, :14].max() < 0.1
    assert encoder.spec.height == 32 and not any(one.grad is not None for one in encoder.parameters())


def test_pictures_are_drawn(tmp_path: Path, fails: Callable[..., str]) -> None:
    draw_world(tmp_path, "tgt", 12, 0.6, train=0.5)
    model = tmp_path / "model.safetensors"
    backbones.build(backbones.EncoderSpec("timm:test_efficientnet", 32, 16), "none", 0).save(model)
    usual = [str(model), "--data", "tgt", "--data-root", str(tmp_path), "--device", "cpu", "--out", f"{tmp_path}/look"]
    look.main([*usual, "--queries", "3"])
    sheet = Image.open(tmp_path / "look" / "attention.png")
    rows = 2  # three pairs in two columns
    assert sheet.size == (2 * (4 * (32 + look.GAP) + 3 * look.GAP) + look.GAP, rows * (64 + look.GAP) + look.HEAD)
    drawn = np.asarray(Image.open(tmp_path / "look" / "map.png").convert("RGB"))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 10
    assert "at least 2 people" in fails(look.main, [*usual, "--ids", "1"])
    assert "no dataset" in fails(look.main, [str(model), "--data", "nowhere", "--data-root", str(tmp_path)])
    assert sorted(path.name for path in (tmp_path / "look").iterdir()) == ["attention.png", "map.png"]


def test_a_heated_picture_is_itself_where_nothing_is_hot() -> None:
    grey = np.full((4, 4, 3), 90, np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0] = 1
    warm = look.heated(grey, heat)
    assert (warm[1:] == 90).all() and (warm[0, 0] != 90).any()
    assert Image.open(BytesIO(look.sheet([[grey, warm]]))).size[1] == look.HEAD + 8 + look.GAP
