"""Encoders, checkpoints, settings, pictures, translators and reports."""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datasets.opening import open_dataset
from opengspr import UserError, checkpoint
from opengspr.randomness import rng
from tests.train.worlds import TINY_WORLD, draw_world
from train.parts import architectures, backbones, data, losses, report, run, translation
from train.parts.backbones import EncoderSpec
from train.parts.charts import bar_chart, line_chart
from train.parts.generators import Generator, ImagePool
from train.parts.learning import Machine
from train.parts.settings import read_config
from train.smcr import SMALL, SMCR

SMALL_SPEC = EncoderSpec("timm:test_resnet", 32, 16)


@pytest.mark.parametrize(
    "name", ["resnet18", "ibn_resnet18", "mobilenetv3_small_050", "timm:test_resnet", "timm:test_efficientnet"]
)
def test_encoders(name: str) -> None:
    encoder = backbones.build(EncoderSpec(name, 64, 32), "none", 0)
    pictures = torch.randn(3, 3, 64, 32)
    pooled, neck = encoder(pictures)
    assert pooled.shape == neck.shape == (3, encoder.channels)
    torch.testing.assert_close(encoder.features(pictures).norm(dim=1), torch.ones(3))
    assert all(weight.grad is None for weight in encoder.parameters())
    neck.sum().backward()
    idle = [name for name, weight in encoder.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not idle, "parameters that never learn"


@pytest.mark.parametrize("name", ["timm:test_vit", "timm:test_vit4"])
def test_transformers_make_maps_of_their_patches(name: str) -> None:
    encoder = backbones.build(EncoderSpec(name, 64, 32, "avg"), "none", 0).eval()
    one, other = torch.zeros(1, 3, 64, 32), torch.zeros(1, 3, 64, 32)
    other[..., 48:, 16:] = 5.0
    maps = encoder.body(torch.cat([one, other]))
    changed = (maps[0] - maps[1]).abs().mean(0)
    assert maps.shape[2:] == (4, 2) and changed.argmax() == 7, "a patch is not where it lies in the picture"
    with pytest.raises(UserError, match="wanted --pool avg"):
        backbones.build(EncoderSpec(name, 64, 32, "gem"), "none", 0)
    with pytest.raises(UserError, match="takes no pictures of 60 x 32|wanted"):
        backbones.build(EncoderSpec(name, 60, 32, "avg"), "none", 0)


def test_the_last_stride_is_one() -> None:
    for name, per_pixel in (("resnet18", 16), ("mobilenetv3_small_050", 16)):
        body, _ = architectures.body(name, (256, 128))
        assert body(torch.zeros(2, 3, 64, 32)).shape[2:] == (64 // per_pixel, 32 // per_pixel)


def test_resnet_is_torchvisions() -> None:
    """Its weights fit, and with the last stride put back so do its maps."""
    torchvision = pytest.importorskip("torchvision")
    for name in ("resnet18", "resnet50"):
        theirs = torchvision.models.get_model(name).eval()
        ours, _ = architectures.body(name, (256, 128))
        state = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
        checkpoint.fit(ours, state, "torchvision")
        for module in ours.get_submodule("layer4.0").modules():
            kernel = 1 if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1) else 3
            if isinstance(module, torch.nn.Conv2d) and module in (ours.layer4[0].downsample[0], _strided(ours, kernel)):
                module.stride = (2, 2)
        x = torch.randn(2, 3, 64, 32)
        expected = torch.nn.Sequential(*list(theirs.children())[:-2])(x)
        torch.testing.assert_close(ours.eval()(x), expected)


def _strided(body: torch.nn.Module, _kernel: int) -> torch.nn.Module:
    """The convolution that strides in the first block of layer 4."""
    block = body.get_submodule("layer4.0")
    return block.get_submodule("conv1" if block.get_submodule("conv1").kernel_size == (3, 3) else "conv2")


def test_domains_keep_their_statistics_apart() -> None:
    encoder = backbones.build(SMALL_SPEC, "none", 0)
    pictures = torch.randn(4, 3, 32, 16)
    before = encoder.eval().features(pictures)
    encoder.split_domains(2)
    torch.testing.assert_close(encoder.features(pictures, 0), before)
    encoder.train()(3 * pictures, 1)
    encoder.eval()
    torch.testing.assert_close(encoder.features(pictures, 0), before)
    assert not torch.allclose(encoder.features(pictures, -1), before)


def test_weights_say_what_they_are(tmp_path: Path) -> None:
    encoder = backbones.build(SMALL_SPEC, "none", 3)
    encoder.split_domains(2)
    encoder.save(tmp_path / "a.safetensors")
    again = backbones.load(tmp_path / "a.safetensors")
    assert again.spec == encoder.spec
    for name, value in encoder.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    checkpoint.save_weights(tmp_path / "b.safetensors", encoder.state_dict())
    with pytest.raises(UserError, match="do not say which encoder"):
        backbones.load(tmp_path / "b.safetensors")


def test_weights_never_load_in_part(tmp_path: Path) -> None:
    state = backbones.build(SMALL_SPEC, "none", 0).body.state_dict()
    first, *others = state
    wrong = {name: state[name] for name in others} | {"stranger": torch.zeros(1), others[0]: torch.zeros(5)}
    torch.save(wrong, tmp_path / "wrong.pt")
    with pytest.raises(UserError, match=f"1 missing: {first}.*1 extra: stranger.*1 of another shape: {others[0]}"):
        backbones.build(SMALL_SPEC, str(tmp_path / "wrong.pt"), 0)
    torch.save(state, tmp_path / "right.pt")
    loaded = backbones.build(SMALL_SPEC, str(tmp_path / "right.pt"), 1)
    assert all(torch.equal(value, state[name]) for name, value in loaded.body.state_dict().items())


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["TRAP"],)


def test_a_pickle_with_code_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    (tmp_path / "a.pt").write_bytes(pickle.dumps(Trap()))
    torch.save(Trap(), tmp_path / "b.pt")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(UserError, match="nothing in it was run"):
            checkpoint.read_weights(tmp_path / name)
        assert checkpoint.load_state(tmp_path / name) is None
    assert not (tmp_path / "sprung").exists()


@pytest.mark.long
def test_a_state_is_whole_after_kill_9(tmp_path: Path) -> None:
    """Killed many times while it writes states one after the other: one always loads, and none goes back in time."""
    script = (
        "import sys, torch, itertools\nfrom pathlib import Path\nfrom opengspr import checkpoint\n"
        "path = Path(sys.argv[1])\nold = checkpoint.load_state(path)\nprint('ready', flush=True)\n"
        "for i in itertools.count(old['i'] + 1 if old else 0):\n"
        "    checkpoint.save_state(path, {'i': i, 'w': torch.full((200_000,), float(i))})\n"
    )
    last = -1
    for kill in range(3):
        command = [sys.executable, "-c", script, str(tmp_path / "state.pt")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.getcwd()})
        assert process.stdout and process.stdout.readline() == b"ready\n"
        time.sleep(0.3 + 0.05 * kill)
        process.kill()
        process.communicate()
        state = checkpoint.load_state(tmp_path / "state.pt")
        assert state and state["i"] > last and (state["w"] == state["i"]).all()
        last = state["i"]


def test_the_previous_state_stands_in(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    assert checkpoint.load_state(path) is None
    for i in range(3):
        checkpoint.save_state(path, {"i": i})
    assert checkpoint.load_state(path) == {"i": 2}
    path.write_bytes(path.read_bytes()[:100])
    assert checkpoint.load_state(path) == {"i": 1}
    path.unlink()  # as after a kill between the two renames
    assert checkpoint.load_state(path) == {"i": 1}


def test_first_non_finite() -> None:
    state = {"a": [torch.ones(2), {"b": torch.tensor([1.0, torch.nan])}], "c": 3}
    assert checkpoint.first_non_finite(state) == "state.a.1.b"
    assert checkpoint.first_non_finite({"a": torch.ones(2), "i": torch.tensor(1)}) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("epoch: 3", "did you mean 'epochs'"),
        ("epochs: 3\nepochs: 4", "'epochs' comes twice"),
        ("epochs: many", "wanted int, got 'many'"),
        ("epochs: true", "wanted int"),
        ("criterion: best", "wanted one of smcr, spcl, none"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("- a", "wanted a mapping"),
        ("epochs: !!bool many", "many"),
        ("a: &x [*x]", "unknown key|unhashable|recursive"),
        ("lr: 1e-3\nsyn: null\ntgt: t\nruns: r", ""),
    ],
)
def test_config_files(text: str, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    if wanted:
        with pytest.raises(UserError, match=wanted):
            read_config(path, SMCR)
    else:
        assert read_config(path, SMCR) == {"lr": 0.001, "syn": None, "tgt": "t", "runs": Path("r")}


def test_presets_name_real_settings() -> None:
    SMCR(**SMALL)
    assert SMCR().epochs == 50 and SMCR().beta == 0.01


def test_the_run_folders_name_covers_settings_and_data(tmp_path: Path) -> None:
    names = {
        run.choose_folder(tmp_path, "m", "a2b", 0, {"lr": lr, "data": {"src": data}}, False)
        for lr in (1, 2)
        for data in "ab"
    }
    assert len(names) == 4
    assert run.short_hash({"a": 1, "b": 2}) == run.short_hash({"b": 2, "a": 1})


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        run.opened(tmp_path / "run", {}, "cpu"),
        pytest.raises(UserError, match=f"pid {os.getpid()}"),
        run.opened(tmp_path / "run", {}, "cpu"),
    ):
        pass


def test_what_a_run_began_with_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other settings, another device or number of processes are refused with the difference, unless forced."""
    with run.opened(tmp_path / "run", {"lr": 0.1, "seed": 0}, "cpu"):
        pass
    with pytest.raises(UserError, match=r"lr: 0.1 -> 0.2"), run.opened(tmp_path / "run", {"lr": 0.2, "seed": 0}, "cpu"):
        pass
    monkeypatch.setattr(run.torch.cuda, "get_device_name", lambda: "a GPU")
    with (
        pytest.raises(UserError, match="device: cpu -> cuda"),
        run.opened(tmp_path / "run", {"lr": 0.1, "seed": 0}, "cuda"),
    ):
        pass
    monkeypatch.setattr(run.ranks, "count", lambda: 4)
    with (
        pytest.raises(UserError, match="processes: 1 -> 4"),
        run.opened(tmp_path / "run", {"lr": 0.1, "seed": 0}, "cpu"),
    ):
        pass
    monkeypatch.setattr(run.ranks, "wait", lambda: None)
    with run.opened(tmp_path / "run", {"lr": 0.2, "seed": 0}, "cpu", force=True):
        pass
    with run.opened(tmp_path / "run", {"lr": 0.2, "seed": 0}, "cpu"):
        pass


def test_a_stage_that_another_run_makes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began, go_on, made = Event(), Event(), []

    def slow(folder: Path) -> dict[str, int]:
        made.append(folder)
        began.set()
        go_on.wait(30)
        return {"value": 1}

    def other(name: str) -> Path:
        return run.shared_stage(tmp_path, name, {"seed": 0}, "cpu", slow)

    monkeypatch.setattr(run.time, "sleep", lambda seconds: go_on.set())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(other, "pretrain")
        assert began.wait(30)
        folder = other("pretrain")
        assert first.result(30) == folder and len(made) == 1
    assert run.result_of(folder) == {"value": 1} and "another run makes it" in capsys.readouterr().out


def test_a_stage_that_is_finished_as_we_come_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = run.opened

    @contextmanager
    def late(folder: Path, *others: Any) -> Iterator[None]:
        with opened(folder, *others):
            run.finish(folder, {"value": 1})
            yield

    monkeypatch.setattr(run, "opened", late)
    folder = run.shared_stage(tmp_path, "pretrain", {}, "cpu", lambda folder: pytest.fail("made again"))
    assert run.result_of(folder) == {"value": 1}


def test_pictures_kept_or_not_are_the_same(tmp_path: Path) -> None:
    draw_world(tmp_path, "w", 3, 1.0)
    crops = open_dataset("w", tmp_path).split("train")
    kept, loose = (data.Images(crops, 24, 12, limit) for limit in (1 << 30, 0))
    assert kept.kept is not None and loose.kept is None and len(kept) == len(loose) == 18
    parts = [np.array([3, 1]), np.array([17, 3])]
    for one, other in zip(kept.stream(parts), loose.stream(parts), strict=True):
        np.testing.assert_array_equal(one, other)
    torch.manual_seed(5)
    list(loose.stream(parts))
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert drawn == torch.rand(1), "reading drew from the global generator"


def test_augment_draws_by_its_key_alone() -> None:
    pictures = rng(0).integers(0, 255, (8, 50, 25, 3), np.uint8)
    original = pictures.copy()
    first, second, other = (data.augment(pictures, rng(0, key)) for key in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (pictures == original).all() and (first != other).any() and first.shape == pictures.shape
    plain = data.augment(np.full((400, 50, 25, 3), 255, np.uint8), rng(3), data.Augmentation(erase=1.0))
    mean = (data.MEAN * 255).astype(np.uint8)
    share = (plain == mean).all(-1).mean((1, 2))
    assert 0.01 < share.min() < 0.05 and 0.3 < share.max() < 0.45


def test_jitter_changes_light_and_colour_by_its_strength() -> None:
    halves = np.full((4000, 50, 25, 3), 80, np.uint8)
    halves[:, 25:] = 120
    changed = data._jittered(halves, rng(4), 0.2, 4000, slice(None)).astype(float).mean(2)  # (B, 50, 3)
    light = np.log(changed.mean((1, 2)) / 100)
    contrast = np.log((changed[:, 25:] - changed[:, :25]).mean((1, 2)) / changed.mean((1, 2)) / 0.4)
    tint = np.log(changed.mean(1) / changed.mean((1, 2))[:, None])
    wanted = {"light": 0.2, "contrast": 0.2 * 2 / 3, "tint": 0.2 / 3 * np.sqrt(2 / 3)}
    for name, found in {"light": light, "contrast": contrast, "tint": tint}.items():
        assert abs(found.mean()) < 0.02 and abs(found.std() / wanted[name] - 1) < 0.06, name
    red = np.full((4000, 4, 4, 3), (160, 80, 80), np.uint8)
    vivid = data._jittered(red, rng(5), 0.2, 4000, slice(None)).astype(float).mean((1, 2))
    spread = (vivid[:, 0] - vivid[:, 1]) / vivid.mean(1)
    assert 0.15 < (spread / 0.75).std() < 0.35
    np.testing.assert_array_equal(*(data.augment(halves[:8], rng(6), data.Augmentation(jitter=0.2)) for _ in range(2)))
    flat = np.full((8, 50, 25, 3), 255, np.uint8)
    plain, jittered = (data.augment(flat, rng(6), data.Augmentation(jitter=jitter)) for jitter in (0.0, 0.2))
    mean = (data.MEAN * 255).astype(np.uint8)
    assert ((plain == mean).all(-1) == (jittered == mean).all(-1)).all(), "jitter moved the other draws"


def test_blur_softens_its_share_of_the_pictures() -> None:
    checks = np.tile(np.array([0, 255], np.uint8), (200, 256, 64))[..., None].repeat(3, -1)
    by = data.Augmentation(erase=0, blur=0.4)
    contrast = data.augment(checks, rng(7), by)[:, 32:-32, 32:-32].astype(float).std((1, 2, 3))
    assert 0.25 < (contrast < 120).mean() < 0.45 and contrast.min() < 10 and (contrast > 127.4).mean() > 0.5


@pytest.mark.parametrize("by", [data.PLAIN, data.Augmentation(jitter=0.2, blur=0.5)])
def test_a_share_of_a_batch_is_augmented_as_in_the_whole(by: data.Augmentation) -> None:
    pictures = rng(0).integers(0, 255, (6, 50, 25, 3), np.uint8)
    whole = data.augment(pictures, rng(1), by)
    for part in (slice(0, 2), slice(2, 4), slice(4, 6)):
        np.testing.assert_array_equal(data.augment(pictures[part], rng(1), by, 6, part), whole[part])


def test_a_feed_goes_on_from_any_batch_with_the_same_bits() -> None:
    pictures = rng(0).integers(0, 255, (9, 32, 16, 3), np.uint8)
    images, drawn = data.Images.of_array(pictures), [rng(1, n).integers(0, 9, 4) for n in range(6)]
    whole = data.Feed(images, drawn, ("key",), "cpu", views=2)
    seen = [next(whole) for _ in drawn]
    later = data.Feed(images, drawn, ("key",), "cpu", views=2, first=4)
    for (views, index), (others, same) in zip(seen[4:], [next(later), next(later)]):
        assert torch.equal(index, same) and all(map(torch.equal, views, others)) and not torch.equal(*views)
    plain = data.to_tensor(data.augment(pictures[drawn[0]], rng("key", 0, 0)))
    assert torch.equal(seen[0][0][0], plain)
    wanted = (pictures.astype(np.float64) / 255 - data.MEAN) / data.STD
    np.testing.assert_allclose(data.to_tensor(pictures), wanted.transpose(0, 3, 1, 2), atol=1e-6)


def test_a_light_generator_begins_as_the_identity() -> None:
    x = torch.rand(2, 3, 32, 16) * 2 - 1
    assert torch.equal(Generator(4, 1, light=True)(x), x)
    assert Generator(4, 1)(x).shape == x.shape


def test_image_pool() -> None:
    pool = ImagePool(3)
    first = torch.arange(3.0).view(3, 1, 1, 1)
    assert torch.equal(pool.exchange(first, rng(0)), first)
    given = torch.cat([pool.exchange(torch.full((1, 1, 1, 1), 10.0 + i), rng(i)) for i in range(20)])
    old = [float(value) for value, i in zip(given.flatten(), range(20)) if value != 10 + i]
    assert 4 < len(old) < 16 and all(value < 30 for value in old) and len(pool.pictures) == 3


@pytest.mark.parametrize("kind", ["cyclegan", "spgan", "espgan"])
def test_translators(kind: str, tmp_path: Path) -> None:
    """Each term moves the generators and nothing else; the pictures written are the generator's."""
    pictures = data.Images.of_array(rng(0).integers(0, 255, (6, 32, 16, 3), np.uint8))
    labelled = data.Labelled(pictures, np.array([0, 0, 1, 1, 2, 2]), np.zeros(6, np.int64))
    spec = translation.TranslationSpec(kind, 1, 2, 4, width=4, blocks=1, light=True, embedding="timm:test_resnet")
    stage = translation.Translation("t", spec, labelled, pictures, 0, Machine())
    stage.begin_epoch(0)
    stage.feed(0, 0)
    terms = stage.step(0, 0)
    extra = {"cyclegan": set(), "spgan": {"siamese"}, "espgan": {"cross_entropy"}}[kind]
    assert set(terms) == {"adversarial", "cycle", "identity", "judges"} | extra
    assert translation.build(tmp_path, stage)["pictures"] == 6
    made = translation.read_pictures(tmp_path)
    with torch.no_grad():
        wanted = stage.nets["there"](data.from_bytes(pictures.__getitems__([0]), "cpu")).clamp(-1, 1)
    shown = made.__getitems__([0])[0].astype(float) / 127.5 - 1
    np.testing.assert_allclose(shown, wanted[0].permute(1, 2, 0).numpy(), atol=1 / 127)


@pytest.mark.long
def test_a_light_translator_takes_colour_away(tmp_path: Path) -> None:
    """From colourful pictures to pale ones, which no change that is the same for all pictures could do."""
    drawn = [rng(seed).integers(20, 235, (64, 8, 4, 3)).repeat(4, 1).repeat(4, 2) for seed in (1, 2)]
    own, grey = drawn[0], drawn[1].mean(-1, keepdims=True)
    other = grey + 0.3 * (drawn[1] - grey)
    sets = [data.Images.of_array(pictures.astype(np.uint8)) for pictures in (own, other)]
    labelled = data.Labelled(sets[0], np.arange(64) // 2, np.zeros(64, np.int64))
    spec = translation.TranslationSpec("cyclegan", 4, 40, 8, 1e-3, 5.0, 1.0, width=8, blocks=1, light=True)
    translation.build(tmp_path, translation.Translation("t", spec, labelled, sets[1], 0, Machine()))
    made = np.load(tmp_path / translation.TRANSLATED)
    colour = [np.ptp(pictures.astype(float), -1).mean() for pictures in (own, made, other)]
    assert colour[1] - colour[2] < 0.2 * (colour[0] - colour[2])
    assert np.corrcoef(own.mean(-1).ravel(), made.mean(-1).ravel())[0, 1] > 0.7


@pytest.mark.slow
def test_the_small_budgets_translator_takes_on_the_other_style(tmp_path: Path) -> None:
    """After its few steps the pictures' mean colour has gone most of the way, and everyone is still recognised."""
    worlds = [open_dataset(str(TINY_WORLD / name)).split("train") for name in ("src", "tgt")]
    own, other = (data.labelled(crops, 128, 64) for crops in worlds)
    small = {name.removeprefix("gan_"): value for name, value in SMALL.items() if name.startswith("gan_")}
    spec = translation.TranslationSpec("espgan", **small, embedding="mobilenetv3_small_050")
    translation.build(tmp_path, translation.Translation("t", spec, own, other.images, 0, Machine()))
    made = np.load(tmp_path / translation.TRANSLATED).astype(float)
    before, wanted = (one.images.kept.astype(float) for one in (own, other))
    here, there, far = (pictures.mean((0, 1, 2)) for pictures in (before, made, wanted))
    assert np.linalg.norm(there - far) < 0.5 * np.linalg.norm(here - far)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(before, made, strict=True)]
    assert np.median(alike) > 0.8


def test_names_are_escaped(tmp_path: Path) -> None:
    assert "<b>" not in line_chart("<b>", {"<b>": [(1, 2)]}, "<b>")
    bad = "<script>alert(1)</script>"
    picture = np.zeros((1, 8, 4, 3), np.uint8)
    sheet = report.Sheet(bad, {"before": picture, bad: picture}, bad)
    assert "<script" not in report._sheet(sheet, report.Album(tmp_path, True))
    assert "<b>" not in bar_chart("<b>", {"<b>": 1.0})
    history = [{"stage": bad, "epoch": 1, bad: 1.0, f"fusion_weight_{bad}": 1.0}]
    assert "<script" not in report._curves(history)


def test_charts_survive_flat_and_lonely_curves() -> None:
    for points in ([(1, 0.0)], [(1, 5.0), (2, 5.0)], [(1, -1e9), (2, 1e-9)]):
        assert "nan" not in line_chart("t", {"a": points})
        assert "nan" not in bar_chart("t", {"a": points[0][1], "b": 0.0})
    assert line_chart("t", {"a": []}) == ""


def test_the_loop_reports_nan_in_weights(tmp_path: Path, fails: Callable[..., str]) -> None:
    """A loss that stays finite while a weight does not is caught before it is saved."""
    from opengspr import loop

    class Broken(loop.Stage):
        name, seed, epochs, steps = "broken", 0, 2, 1
        weight = torch.ones(1)

        def begin_epoch(self, epoch: int) -> dict[str, float]:
            return {}

        def feed(self, epoch: int, step: int) -> None: ...

        def step(self, epoch: int, step: int) -> dict[str, torch.Tensor]:
            if epoch == 1:
                self.weight = torch.tensor([torch.inf])
            return {"loss": torch.zeros(())}

        def end_epoch(self, epoch: int) -> dict[str, float]:
            return {}

        def state_dict(self) -> dict[str, torch.Tensor]:
            return {"weight": self.weight}

        def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
            self.weight = state["weight"]

    with pytest.raises(loop.NonFinite, match=r"state\.weight"):
        loop.run(Broken(), tmp_path)
    kept = checkpoint.load_state(tmp_path / "broken.state.pt")
    assert kept and kept["epoch"] == 1 and kept["stage"]["weight"] == 1
    assert json.loads((tmp_path / "non_finite.json").read_text())["epoch"] == 2


def test_small_jpegs_keep_their_shape(tmp_path: Path) -> None:
    import base64
    from io import BytesIO

    text = report.Album(tmp_path, True).made(np.zeros((30, 10, 3), np.uint8))
    encoded = text.split("base64,")[1].split('"')[0]
    assert Image.open(BytesIO(base64.b64decode(encoded))).size == (64, 192)
    apart = report.Album(tmp_path, False)
    assert [apart.made(np.zeros((30, 10, 3), np.uint8)) for _ in range(2)][1] == '<img alt="" src="pictures/0001.jpg">'
    assert Image.open(tmp_path / "pictures" / "0001.jpg").size == (64, 192)


def test_triplet_of_a_batch_without_negatives() -> None:
    assert float(losses.triplet_hinge(torch.randn(3, 2), torch.zeros(3, dtype=torch.int64))) == 0


def test_the_net_that_ships_is_begun_with() -> None:
    """Whole where the pooling is its own, else its body; and it is small."""
    spec = backbones.EncoderSpec("mobilenetv3_small_050", 128, 64, "avg")
    shipped, none = backbones.load(backbones.SYNTHETIC).state_dict(), backbones.build(spec, "none", 0).state_dict()
    whole = backbones.build(spec, "synthetic", 0).state_dict()
    assert whole.keys() == shipped.keys() and all(torch.equal(whole[name], shipped[name]) for name in shipped)
    other = backbones.build(replace(spec, pool="gem"), "synthetic", 0).state_dict()
    assert all(torch.equal(other[name], shipped[name]) for name in shipped if name.startswith("body."))
    assert any(not torch.equal(whole[name], none[name]) for name in none if name.startswith("body."))
    assert backbones.SYNTHETIC.stat().st_size < 10e6
    with pytest.raises(UserError, match="wanted --backbone mobilenetv3_small_050"):
        backbones.build(replace(spec, backbone="resnet18"), "synthetic", 0)


def test_ibn_nets_begin_with_their_authors_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are named by what they hold, which is checked; a site that is down is one line that names the remedies."""
    spec = backbones.EncoderSpec("ibn_resnet18", 64, 32)
    theirs = {name: value + 1 for name, value in backbones.build(spec, "none", 0).body.state_dict().items()}
    asked: list[tuple[str, object]] = []

    def fetched(url: str, **how: object) -> dict[str, torch.Tensor]:
        asked.append((url.rpartition("/")[2], how["check_hash"] and how["weights_only"]))
        return theirs | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetched)
    begun = backbones.build(spec, "imagenet", 0).body.state_dict()
    assert asked == [("resnet18_ibn_a-2f571257.pth", True)]
    assert begun.keys() == theirs.keys() and all(torch.equal(begun[name], theirs[name]) for name in theirs)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: 1 / 0)
    with pytest.raises(UserError, match="cannot be had .*; others: --init none, or --init PATH"):
        backbones.build(spec, "imagenet", 0)


def test_a_source_without_identities_is_refused() -> None:
    crops = open_dataset(str(TINY_WORLD / "src")).crops
    with pytest.raises(UserError, match="crops without identities"):
        data.labelled(crops.replaced("pid", np.full(len(crops), -1)), 128, 64)
