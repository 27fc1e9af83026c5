"""The page to look through a dataset; in a browser too (make browser)."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import gallery, pages
from datasets.opening import open_dataset
from opengspr.command import UserError
from tests.datasets.test_readers import MARKET, plant

EVIL = "</script><script>document.title='owned'</script><b>&amp;\"'"


def data_of(page: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_small_pictures_are_the_crops(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "COLUMNS", 4)
    monkeypatch.setattr(pages, "ROWS", 2)
    gallery.main(gallery.Settings("little", tmp_path / "g", data_root=shared_data))
    crops = gallery.shown(open_dataset("little", shared_data).crops, 100)
    data = data_of((tmp_path / "g" / "index.html").read_text())
    assert data["keys"] == crops.column("key").tolist() and len(list((tmp_path / "g/pictures").iterdir())) == 5
    for i in (0, 7, 8, 35):
        with Image.open(tmp_path / "g/pictures" / f"{i // 8:05d}.jpg") as sheet:
            left, top = i % 8 % 4 * 64, i % 8 // 4 * 128
            shown = np.asarray(sheet.crop((left, top, left + 64, top + 128)), float)
        assert np.abs(np.median(shown, (0, 1)) - np.median(crops.image(i), (0, 1))).max() < 12
    assert [data["people"][k] for k in data["person"]] == crops.pid.tolist()
    camera = next(one for one in data["known"] if one["name"] == "camera")
    assert [int(camera["values"][k]) for k in camera["of"]] == crops.camid.tolist()


def test_of_too_many_whole_people_are_shown(shared_data: Path) -> None:
    crops = open_dataset("little", shared_data).crops
    assert len(gallery.shown(crops, 17)) == 12 and len(set(gallery.shown(crops, 17).pid)) == 2
    assert len(gallery.shown(crops, 4)) == 4


def test_pictures_of_others_are_linked_not_copied(tmp_path: Path) -> None:
    root = plant(tmp_path / "market", *MARKET)
    (root / "query").rename(tmp_path / "query")
    plant(root, "query/1488_c1s6_023021_00.jpg")
    gallery.main(gallery.Settings("market", tmp_path / "g", data_root=tmp_path))
    links = data_of((tmp_path / "g" / "index.html").read_text())["pictures"]["links"]
    assert all((tmp_path / "g" / link).is_file() for link in links) and not (tmp_path / "g/pictures").exists()


def test_names_are_escaped(shared_data: Path) -> None:
    dataset = open_dataset("little", shared_data)
    crops = dataset.crops.replaced("weather", np.array([EVIL, "clear"] * (len(dataset.crops) // 2)))
    object.__setattr__(dataset, "name", EVIL)
    page = gallery.page(dataset, crops, {"columns": 16, "rows": 8}).decode()
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]  # this one object's
    parser.feed(page)
    assert tags.count("script") == 2 and "b" not in tags
    assert EVIL in next(one for one in data_of(page)["known"] if one["name"] == "weather")["values"]


def test_a_folder_of_something_else_is_left_alone(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        gallery.main(gallery.Settings("little", tmp_path, data_root=shared_data))


def in_browser(page: Path, script: str, tmp_path: Path) -> dict:
    """What a script finds in a page."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "make browser needs chromium"
    told = f"<script>document.body.dataset.told = JSON.stringify((() => {{{script}}})())</script></body>"
    copy = page.with_name("told.html")
    copy.write_text(page.read_text().replace("</body>", told))
    flags = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync".split()
    )
    command = [chromium, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", copy.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r'data-told="([^"]*)"', dom)
    assert found, dom[-2000:]
    return json.loads(found[1].replace("&quot;", '"').replace("&amp;", "&"))


@pytest.mark.browser
def test_people_are_chosen_and_paged_in_a_browser(shared_data: Path, tmp_path: Path) -> None:
    gallery.main(gallery.Settings("little", tmp_path / "g", data_root=shared_data))
    script = """
        const people = () => [...document.querySelectorAll("h2")].map(one => one.textContent);
        const all = people(), list = document.getElementById("by-split");
        list.value = [...list.options].find(one => one.text === "query").value; list.onchange();
        const asked = people(), crops = document.querySelectorAll("figure").length;
        const field = document.getElementById("pid"); field.value = asked[0].slice(3); field.oninput();
        return {all, asked, crops, one: people(), title: document.title};"""
    told = in_browser(tmp_path / "g" / "index.html", script, tmp_path)
    query = open_dataset("little", shared_data).split("query")
    assert told["all"] == [f"id {pid}" for pid in range(6)]
    assert told["asked"] == [f"id {pid}" for pid in sorted(set(query.pid.tolist()))] and told["crops"] == len(query)
    assert told["one"] == told["asked"][:1]


@pytest.mark.browser
def test_a_hundred_thousand_crops_do_not_freeze_the_browser(shared_data: Path, tmp_path: Path) -> None:
    dataset = open_dataset("little", shared_data)
    many = dataset.crops.take(np.arange(100_000) % len(dataset.crops))
    many = many.replaced("pid", np.array((np.arange(100_000) // 40).tolist()))
    many = many.replaced("weather", np.array([EVIL, "clear", "rain", "fog"] * 25_000))
    (tmp_path / "index.html").write_text(gallery.page(dataset, many, {"columns": 16, "rows": 8}).decode())
    script = """
        const took = [];
        const timed = work => { const start = performance.now(); work(); took.push(performance.now() - start); };
        const list = document.getElementById("by-weather");
        list.value = "1";
        timed(() => list.onchange());
        for (let k = 0; k < 20; k++) timed(() => turn(1));
        return {took, where: document.getElementById("where").textContent, title: document.title};"""
    told = in_browser(tmp_path / "index.html", script, tmp_path)
    assert told["where"] == "page 21 of 125, 2500 people" and told["title"] == "little"
    assert max(told["took"]) < 500, told["took"]
