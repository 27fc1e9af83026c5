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
from train.parts.attention import EmbeddingHead


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


def test_attention_by_loop_is_what_the_masks_leave() -> None:
    """A mask that hides the upper half: the first loop sees all of the wanted colour, the second the lower half."""
    encoder = backbones.build(backbones.EncoderSpec("timm:test_efficientnet", 32, 16, "avg"), "none", 0)
    encoder.body, encoder.pool = nn.Sequential(nn.ReLU(), nn.AvgPool2d(4)), nn.Identity()
    head = encoder.neck = EmbeddingHead(3, 6, 1, 8, 4)
    encoder.eval()

    class Lower(nn.Module):
        def forward(self, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return (torch.arange(8) >= 4).float().view(1, 1, 8, 1), feature.new_ones(1, 3, 1, 1)

    with torch.no_grad():
        head.linear.weight.copy_(torch.eye(6))
    head.attention = Lower()  # type: ignore[assignment]  # in the place of one that learns
    pictures, answers = np.zeros((2, 1, 32, 16, 3), np.uint8)
    pictures[0, :, :8, 0], pictures[0, :, 8:, 2], answers[..., 0] = 255, 255, 255  # red at the left, blue at the right
    first, second = look.attention_by_loop(encoder, pictures, answers, torch.device("cpu"))
    assert first.shape == second.shape == (1, 32, 16)
    assert first[0, :, :6].min() > 0.9 and first[0, :, 10:].max() < 0.1
    assert second[0, 20:, :6].min() > 0.9 and second[0, :12].max() < 0.1 and second[0, :, 10:].max() < 0.1


def test_people_with_most_pictures() -> None:
    pid = np.array([3, 3, 0, 0, 0, -1, 7, 7, 7, 9])
    assert look.of_most(pid, 2).tolist() == [0, 1, 6, 7, 8] and look.of_most(pid, 9).tolist() == [0, 1, 6, 7, 8, 9]
    one = look.Shown(np.zeros((2, 4)), np.array([1, 5]), np.array([-1, 2]), np.full(2, "a"))
    both = one + look.Shown(np.ones((2, 4)), np.array([1, 5]), np.array([0, 2]), np.full(2, "b"))
    assert len(np.unique(both.pid)) == len(np.unique(both.camid)) == 4 and both.domain.tolist() == ["a", "a", "b", "b"]


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


def test_loops_and_domains_are_drawn(tmp_path: Path) -> None:
    """A strip of T + 1 looks at each query; a map of two datasets is half as wide again."""
    draw_world(tmp_path, "tgt", 12, 0.6, train=0.5)
    draw_world(tmp_path, "src", 5, 0.9)
    model = tmp_path / "model.safetensors"
    backbones.build(backbones.EncoderSpec("timm:test_efficientnet", 32, 16, embedding=8, loops=3), "none", 0).save(
        model
    )
    usual = [str(model), "--data", "tgt", "--data-root", str(tmp_path), "--device", "cpu", "--out", f"{tmp_path}/look"]
    look.main([*usual, "--queries", "2", "--src", "src"])
    strips = Image.open(tmp_path / "look" / "loops.png")
    assert strips.size == (2 * (5 * (32 + look.GAP) + 3 * look.GAP) + look.GAP, 64 + look.GAP + look.HEAD)
    assert Image.open(tmp_path / "look" / "map.png").size == (1800, 620)
    look.main(usual)
    assert Image.open(tmp_path / "look" / "map.png").size == (1200, 620)


def test_a_heated_picture_is_itself_where_nothing_is_hot() -> None:
    grey = np.full((4, 4, 3), 90, np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0] = 1
    warm = look.heated(grey, heat)
    assert (warm[1:] == 90).all() and (warm[0, 0] != 90).any()
    assert Image.open(BytesIO(look.sheet([[grey, warm]]))).size[1] == look.HEAD + 8 + look.GAP
