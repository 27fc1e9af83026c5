"""train.translate: a dataset in another's style, its sheet, its distance, and who may publish it."""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datasets import publish, verify
from datasets.card import recipe
from datasets.manifest import COLUMNS
from datasets.masks import decoded
from datasets.opening import open_dataset
from datasets.pictures import DatasetError
from opengspr import UserError
from tests.train.worlds import flags, rendered_worlds
from train import smcr, translate
from train.parts import fid
from train.parts.data import Images

LITTLE = ["--gan-epochs", "1", "--gan-steps", "2", "--gan-batch", "2", "--backbone", "timm:test_resnet"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rendered_worlds(tmp_path_factory.mktemp("translate"))


def arguments(data: Path, out: Path, *more: str) -> list[str]:
    places = ["--data-root", str(data), "--out", str(out), "--runs", str(out.parent / "runs")]
    return ["--src", "src", "--tgt", "tgt", *places, *LITTLE, "--height", "64", "--width", "32", *more]


def test_a_dataset_in_another_s_style(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels stay, pictures are the generator's, masks are of the new size; the second command does nothing."""
    translate.main(arguments(data, tmp_path / "new"))
    verify.main(verify.Settings(str(tmp_path / "new"), pictures=True))
    new, old = open_dataset(tmp_path / "new"), open_dataset("src", data).split("train")
    (stage,) = (tmp_path / "runs" / "stages").glob("translate-src-to-tgt-*")
    pictures = np.load(stage / "translated.npy")
    assert len(new.split("train")) == len(new.crops) == len(old) == len(pictures)
    order = np.argsort(old.column("key")), np.argsort(new.crops.column("key"))
    changed = {"shard", "offset", "size", "split", "width", "height", "mask"}
    for name in {*COLUMNS.names} - changed:
        assert np.array_equal(old.column(name)[order[0]], new.crops.column(name)[order[1]]), name
    for i, j in zip(order[0][:5], order[1][:5], strict=True):
        assert np.abs(new.crops.image(j).astype(float) - pictures[i]).mean() < 4  # JPEG
        masks = (decoded(crops.column("mask")[k], *crops.image(k).shape[:2]) for crops, k in ((old, i), (new.crops, j)))
        mine, theirs = masks
        assert theirs.any() and abs(mine.mean() - theirs.mean()) < 0.02
    with Image.open(stage / "sheet.jpg") as sheet:
        assert sheet.height == 3 * 264 + 8
    said = capsys.readouterr().out
    assert f"\ndataset: {tmp_path / 'new'}\n" in said and "Fréchet" in said
    translate.main(arguments(data, tmp_path / "new"))
    assert "already whole" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        translate.main(arguments(data, tmp_path / "new", "--translator", "spgan"))
    assert "was made otherwise (translator: 'espgan' there, 'spgan' now)" in capsys.readouterr().err


@pytest.mark.long
def test_a_recipe_takes_the_command_s_translation(data: Path, tmp_path: Path) -> None:
    """And the other way round: the same translation is learnt once."""
    runs = tmp_path / "runs"
    given = flags(data, runs)
    mine = {flag: given[i + 1] for i, flag in enumerate(given) if flag.startswith("--gan") or flag == "--backbone"}
    same = [word for flag, value in mine.items() for word in (flag, value)]
    size = [word for flag in ("--height", "--width") for word in (flag, given[given.index(flag) + 1])]
    where = ["--data-root", str(data), "--runs", str(runs), "--out", str(tmp_path / "new")]
    translate.main(["--src", "src", "--tgt", "tgt", *where, *same, *size])
    (stage,) = (runs / "stages").glob("translate-src-to-tgt-*")
    made = (stage / "translated.npy").stat().st_mtime_ns
    smcr.main(given)
    assert [*(runs / "stages").glob("translate-src-to-tgt-*")] == [stage]
    assert (stage / "translated.npy").stat().st_mtime_ns == made


def test_keys_of_others_pictures(data: Path) -> None:
    crops = open_dataset("src", data).crops.take(np.arange(3))
    theirs = crops.replaced("key", np.array(["train/0002_c1s1_01.jpg", "train/0002.x_c2.jpg", "0003.jpg"], object))
    assert translate.keys_of(theirs) == ["0002_c1s1_01", "0002_x_c2", "0003"]
    alike = crops.replaced("key", np.array(["a/1.jpg", "b/1.jpg", "c/2.jpg"], object))
    assert translate.keys_of(alike) == ["1_0", "1_1", "2_2"]


def test_what_is_published(data: Path, tmp_path: Path) -> None:
    """Ours in the style of ours, with the command; nothing that has learnt from others' pictures."""
    translate.main(arguments(data, tmp_path / "new"))
    made = open_dataset(tmp_path / "new")
    publish.refuse_others(made)
    assert any(line.startswith("python -m train.translate --src src --tgt tgt") for line in recipe(made.info).commands)
    path = tmp_path / "new" / "dataset.json"
    info = json.loads(path.read_text())
    info["provenance"]["style"] = {"name": "market1501", "dataset": "market1501"}
    path.write_text(json.dumps(info))
    with pytest.raises(DatasetError, match="not rendered by this collector"):
        publish.refuse_others(open_dataset(tmp_path / "new"))


@pytest.mark.parametrize("flag", ["--src", "--tgt", "--out"])
def test_what_is_wanted(flag: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(data, tmp_path / "new", "--budget", "small")
    where = given.index(flag)
    with pytest.raises((SystemExit, UserError)):
        translate.main(given[:where] + given[where + 2 :])
    assert f"{flag}: wanted" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch_fidelity") is None, reason="wants torch-fidelity")
def test_the_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With random weights in Inception's place: none to itself, and more the more a set differs."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3 as Inception

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert str(fid.weights()) in fid.missing()
    fid.weights().parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Inception, "load_state_dict", lambda self, state: None)
        patch.setattr(torch, "load", lambda *args, **more: {})
        torch.manual_seed(0)
        random = Inception("random", ["2048"], feature_extractor_weights_path="none")
    torch.save(random.state_dict(), fid.weights())
    assert "Inception's weights" in fid.missing(), "a file that is not what its name says is not opened"
    digest = hashlib.sha256(fid.weights().read_bytes()).hexdigest()
    new = fid.weights().rename(fid.weights().with_name(f"random-{digest[:8]}.pth"))
    monkeypatch.setattr(fid, "WEIGHTS", new.name)
    assert fid.missing() == ""
    pictures = np.random.default_rng(0).integers(0, 255, (40, 64, 32, 3), np.uint8)
    near, far = (np.clip(pictures.astype(int) // divisor, 0, 255).astype(np.uint8) for divisor in (2, 8))
    sets = [Images.of_array(one) for one in (pictures, near, far)]
    none, less, more = (fid.fid(sets[0], one) for one in sets)
    assert abs(none) < 1e-3 * less < less < more
