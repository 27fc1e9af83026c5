"""Searching by pictures: who is nearest, what the page has; in a browser too (make browser)."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.opening import open_dataset
from tests.train.worlds import TINY_WORLD, draw_world
from train import search
from train.parts import backbones
from train.parts.data import Images
from train.parts.evaluation import extract


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    backbones.build(backbones.EncoderSpec("timm:test_efficientnet", 32, 16), "none", 0).save(path)
    return path


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """A folder of a dozen pictures of two people, with a name that must be escaped."""
    draw_world(tmp_path / "data", "tgt", 2, 0.6)
    found = open_dataset(tmp_path / "data" / "tgt").split("train")
    (tmp_path / "crops" / "a b").mkdir(parents=True)
    for i in range(12):
        (tmp_path / "crops" / (f"a b/<i>{i}.jpg" if i % 2 else f"{i:02d}.jpg")).write_bytes(found.read(i))
    return tmp_path / "crops"


def data_of(folder: Path) -> dict:
    page = (folder / "index.html").read_text()
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_nearest_are_the_most_similar_but_not_the_picture_itself() -> None:
    random = np.random.default_rng(0)
    features = torch.nn.functional.normalize(torch.from_numpy(random.normal(size=(30, 8))).float())
    asked = torch.cat([features[:3], features[7:8] + 0.01])
    index, cosines = search.nearest(asked, features, [0, 1, -1, -1], 5)
    for row, own in enumerate((0, 1, None, None)):
        every = (asked[row] @ features.T).numpy()
        wanted = [i for i in np.argsort(-every) if i != own][:5]
        assert index[row].tolist() == wanted
        np.testing.assert_allclose(cosines[row], every[wanted], rtol=1e-5)
    few, told = search.nearest(features[:2], features[:2], [0, 1], 9)
    assert few[:, 0].tolist() == [1, 0] and np.isneginf(told[:, 1]).all()


def test_a_folder_is_searched(model: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a picture of the folder, which is no answer, and by one from elsewhere; links lead to the files."""
    other = tmp_path / "somebody.jpg"
    other.write_bytes((crops / "04.jpg").read_bytes())
    out = tmp_path / "out"
    args = ["--gallery", str(crops), "--query", str(crops / "00.jpg"), str(other), "--model", str(model)]
    search.main([*args, "--top", "4", "--out", str(out), "--device", "cpu"])
    printed = capsys.readouterr().out
    first, second = (part.splitlines() for part in printed.partition(f"{other}:")[::2])
    assert len([line for line in first[1:] if line.strip()]) == 4 and "00.jpg" not in "".join(first[1:])
    assert second[1].split() == ["1", "1.000", "04.jpg"]
    assert printed.endswith(f"page: {out / 'index.html'}\n")
    data = data_of(out)
    assert data["clickable"] == 12 and len(data["answers"]) == len(data["cosines"]) == 14
    assert data["names"][data["answers"][13][0]] == "04.jpg" and data["cosines"][13][0] == 1
    links = [*data["pictures"]["links"], *(one["link"] for one in data["queries"])]
    unquoted = [link.replace("%20", " ").replace("%3C", "<").replace("%3E", ">") for link in links]
    assert all((out / link).is_file() for link in unquoted) and not (out / "pictures").exists()
    assert "<i>" not in (out / "index.html").read_text()
    files = [crops / name for name in data["names"]]
    features = extract(backbones.load(model), Images(search.Files(files), 32, 16))
    every = features[3] @ features.T
    every[3] = -1
    assert data["answers"][3] == every.argsort(descending=True)[:4].tolist()


def test_what_ships_finds_people_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With no model named: rendered people whom it has not seen, each asked for once; chance would be 1 in 20."""
    people = open_dataset(str(TINY_WORLD / "src")).split("train")
    for i in range(len(people)):
        (tmp_path / "crops").mkdir(exist_ok=True)
        (tmp_path / "crops" / f"{people.pid[i]:04d}-{i:04d}.jpg").write_bytes(people.read(i))
    first = np.unique(people.pid, return_index=True)[1]
    asked = [str(tmp_path / "crops" / f"{people.pid[i]:04d}-{i:04d}.jpg") for i in first]
    search.main(["--gallery", str(tmp_path / "crops"), "--top", "1", "--out", str(tmp_path / "out"), "--query", *asked])
    found = re.findall(r"(\d{4})-\d{4}\.jpg:\n +1 +[0-9.]+  (\d{4})", capsys.readouterr().out)
    assert len(found) == len(first) and np.mean([one == other for one, other in found]) > 0.8


def test_a_dataset_s_pictures_are_copied_small(model: Path, crops: Path, tmp_path: Path) -> None:
    root = ["--data-root", str(tmp_path / "data"), "--model", str(model), "--out", str(tmp_path / "out")]
    search.main(["--gallery", "tgt", *root])
    data = data_of(tmp_path / "out")
    assert "links" not in data["pictures"] and len(data["names"]) == 12 and not data["queries"]
    assert [*(tmp_path / "out" / "pictures").iterdir()]


def test_of_many_only_answers_are_on_the_page(
    model: Path, crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    monkeypatch.setattr(search, "CLICKABLE", 11)
    args = ["--gallery", str(crops), "--model", str(model), "--out", str(tmp_path / "out"), "--top", "3"]
    assert "--query: wanted, since the gallery has 12 pictures" in fails(search.main, args)
    search.main([*args, "--query", str(crops / "00.jpg")])
    data = data_of(tmp_path / "out")
    assert len(data["names"]) == 3 and data["clickable"] == 0 and sorted(data["answers"][0]) == [0, 1, 2]


def test_bad_input_gets_one_line(model: Path, crops: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    same = ["--model", str(model), "--out", str(tmp_path / "out")]
    (tmp_path / "empty").mkdir()
    for args, wanted in (
        (["--gallery", str(crops), "--query", "gone.jpg"], "--query gone.jpg: no such file"),
        (["--gallery", str(tmp_path / "empty")], "not a dataset"),
        (["--gallery", str(crops), "--top", "0"], "--top 0"),
        (["--gallery", str(crops), "--out", str(crops)], "holds other files"),
        (["--gallery", str(crops), "--row", "x"], "--row x: wanted"),
    ):
        assert wanted in fails(search.main, [*same, *args])
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8torn")
    assert "torn.jpg" in fails(search.main, [*same, "--gallery", str(crops), "--query", str(tmp_path / "torn.jpg")])


@pytest.mark.browser
def test_a_click_searches(model: Path, crops: Path, tmp_path: Path) -> None:
    """Chromium runs the page; answers of picture 5 are shown where the address asks for it."""
    search.main(["--gallery", str(crops), "--model", str(model), "--out", str(tmp_path / "out"), "--top", "5"])
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser, "make browser needs chromium"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"]
    address = (tmp_path / "out" / "index.html").as_uri() + "#5"
    shown = subprocess.run([browser, *flags, address], capture_output=True, text=True, timeout=120).stdout
    data = data_of(tmp_path / "out")
    answers = re.findall(r'id="answers">(.*?)</div>', shown, re.DOTALL)[0]
    assert 'data-ready="yes"' in shown
    assert re.findall(r'alt="([^"]*)"', answers) == [
        data["names"][i].replace("<", "&lt;").replace(">", "&gt;") for i in data["answers"][5]
    ]
