"""Crops of pictures and videos without truth, by a stand-in that finds what is red."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from datasets.opening import open_dataset
from datasets.verify import Settings as Verify
from datasets.verify import main as verify
from labeler import label, pictures
from labeler.backends import Choice
from labeler.detection import Detection
from labeler.label import Settings, main
from labeler.rules import Rules
from opengspr.command import UserError, command

NO_ONE = np.full((120, 160, 3), 90, np.uint8)


def red(images: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[list[Detection]]:
    """Each patch that is red, the surer the redder."""
    found = []
    for image in images:
        parts, count = ndimage.label(image[..., 0] > image[..., 1].astype(int) + 60)
        masks = [parts == k for k in range(1, count + 1) if (parts == k).sum() > 20]
        found.append([Detection.of(mask, float(image[mask][:, 0].mean() / 255)) for mask in masks])
    return found


def picture(*boxes: tuple[int, int, int, int], redness: int = 250) -> np.ndarray:
    image = NO_ONE.copy()
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = redness, 40, 40
    return image


@pytest.fixture(autouse=True)
def sees_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "load", lambda choice: red)
    monkeypatch.setattr(label, "checked", lambda choice: choice)
    monkeypatch.setattr(label, "record", lambda choice: {"backend": "red"})


def run(*paths: Path, out: Path, **settings: Any) -> None:
    main(Settings(paths, out=out, no_truth=True, choice=Choice("torchvision"), **settings))


def album(folder: Path) -> Path:
    (folder / "below <b>").mkdir(parents=True)
    Image.fromarray(picture((20, 10, 50, 100), (90, 10, 120, 90))).save(folder / "a.png")
    Image.fromarray(NO_ONE).save(folder / "b.png")
    Image.fromarray(picture((0, 10, 30, 100))).save(folder / "below <b>" / "c's.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_of_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(album(tmp_path / "album"), out=tmp_path / "crops", rules=Rules(padding=0, min_score=0.8))
    assert "3 crops, all train, pid -1 (unknown)" in capsys.readouterr().out
    verify(Verify(str(tmp_path / "crops"), pictures=True))
    crops = open_dataset(tmp_path / "crops").split("train")
    assert crops.pid.tolist() == [-1] * 3 and crops.camid.tolist() == [0] * 3 and crops.frame.tolist() == [0, 0, 2]
    assert crops.column("box").tolist() == [[20, 10, 50, 100], [90, 10, 120, 90], [0, 10, 30, 100]]
    assert [json.loads(text)["source"] for text in crops.column("attributes")] == [
        "a.png",
        "a.png",
        "below <b>/c's.png",
    ]
    assert abs(crops.image(1).mean(axis=(0, 1)) - [250, 40, 40]).max() < 3


def test_what_is_dropped_is_counted(tmp_path: Path) -> None:
    folder = album(tmp_path / "album")
    Image.fromarray(picture((60, 10, 90, 100), redness=110)).save(folder / "d.png")
    Image.fromarray(picture((60, 10, 90, 40))).save(folder / "e.png")
    (folder / "f.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"f\.jpg: cannot be read as a picture"):
        run(folder, out=tmp_path / "o")
    with pytest.raises(UserError, match="1 damaged shots, more than 1 % of 6"):
        run(folder, out=tmp_path / "o", on_bad="skip")
    (folder / "f.jpg").unlink()
    run(folder, out=tmp_path / "crops", rules=Rules(whole=True, padding=0))
    assert open_dataset(tmp_path / "crops").info["drops"] == {"cut by the edge": 1, "too low": 1, "unsure": 1}


def test_each_source_is_a_camera_and_every_nth_is_seen(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for k in range(150):
            Image.fromarray(picture((20 + k % 60, 10, 50 + k % 60, 100))).save(tmp_path / name / f"{k:04d}.png")
    run(tmp_path / "one", tmp_path / "two", out=tmp_path / "crops", every=2)
    crops = open_dataset(tmp_path / "crops").crops
    assert {*zip(crops.camid.tolist(), crops.frame.tolist())} == {(c, k) for c in (0, 1) for k in range(0, 150, 2)}
    assert {*crops.column("place")} == {"one", "two"}


def test_a_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "walk.mp4"), "w") as video:
        stream = video.add_stream("mpeg4", rate=50)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 160, 120, "yuv420p", 4_000_000
        for k in range(2000):  # 40 s, longer than one run of frames
            shown = picture((20 + k // 20, 10, 50 + k // 20, 100))
            video.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        video.mux(stream.encode())
    run(tmp_path / "walk.mp4", out=tmp_path / "crops", rules=Rules(padding=0, min_score=0.8))
    crops = open_dataset(tmp_path / "crops").crops
    order = np.argsort(crops.frame)
    frame, left = crops.frame[order], crops.column("box")[order, 0]
    assert len(frame) == len({*frame.tolist()}) and abs(len(frame) - 84) <= 1, "two a second"
    assert (np.diff(frame) >= 11).all() and frame[0] == 0 and frame[-1] > 980
    assert abs(left - (20 + 2 * frame / 20)).max() <= 3, "where the person was at that time, in every run"


def film(
    path: Path, frames: int, rate: int = 25, turned: int = 0, first: int = 0, form: str | None = None, **options: str
) -> Path:
    """A video in which somebody walks a pixel to the right in each frame; its first is at so many frames."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format=form, options=options) as video:
        stream = video.add_stream("mpeg4" if path.suffix != ".ts" else "mpeg2video", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 160, 120, "yuv420p", 4_000_000
        if turned:
            stream.set_display_rotation(turned)
        for k in range(frames):
            shown = av.VideoFrame.from_ndarray(picture((20 + k, 10, 50 + k, 100)), format="rgb24")
            shown.pts = first + k
            video.mux(stream.encode(shown))
        video.mux(stream.encode())
    return path


def test_a_video_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    run(film(tmp_path / "up.mp4", 3), out=tmp_path / "up", every=1, rules=Rules(padding=0, min_score=0.8))
    assert open_dataset(tmp_path / "up").crops.column("box")[0].tolist() == pytest.approx([20, 10, 50, 100], abs=3)
    for turned in (90, -90):
        rules = Rules(padding=0, min_aspect=0, min_height=20)
        run(film(tmp_path / f"{turned}.mp4", 3, turned=turned), out=tmp_path / f"o{turned}", every=1, rules=rules)
        x0, y0, x1, y1 = open_dataset(tmp_path / f"o{turned}").crops.column("box")[0].tolist()
        assert (x1 - x0, y1 - y0) == pytest.approx((90, 30), abs=4)
        assert y0 == pytest.approx(110 if turned == 90 else 20, abs=4), "as players show it"


def test_a_video_that_begins_late_or_says_no_length(tmp_path: Path) -> None:
    run(
        film(tmp_path / "late.ts", 100, first=90_000),
        out=tmp_path / "late",
        every=10,
        rules=Rules(padding=0, min_score=0.8),
    )
    frame = np.sort(open_dataset(tmp_path / "late").crops.frame)
    assert frame[0] == 0 and len(frame) == 10 and frame[-1] == 90
    unsaid = film(tmp_path / "live.mkv", 100, live="1")
    run(unsaid, out=tmp_path / "live", every=10, rules=Rules(padding=0, min_score=0.8))
    assert np.sort(open_dataset(tmp_path / "live").crops.frame).tolist() == [*range(0, 100, 10)]
    run(
        film(tmp_path / "raw.mp4", 100, form="m4v"),
        out=tmp_path / "raw",
        every=10,
        rules=Rules(padding=0, min_score=0.8),
    )
    crops = open_dataset(tmp_path / "raw").crops
    order = np.argsort(crops.frame)
    assert crops.frame[order].tolist() == [*range(0, 100, 10)], "a stream without times, in two runs"
    assert abs(crops.column("box")[order, 0] - (20 + crops.frame[order])).max() <= 3


def test_other_pictures_of_the_same_names_are_another_source(tmp_path: Path) -> None:
    run(album(tmp_path / "one" / "album"), out=tmp_path / "crops")
    other = album(tmp_path / "two" / "album")
    Image.fromarray(picture((60, 10, 90, 100))).save(other / "b.png")
    with pytest.raises(UserError, match="made otherwise"):
        run(other, out=tmp_path / "crops")


def test_large_pictures_are_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []

    def counting(images: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[list[Detection]]:
        batches.append(len(images))
        return red(images, truths)

    monkeypatch.setattr(pictures, "load", lambda choice: counting)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 120 * 160 + 1)
    run(album(tmp_path / "album"), out=tmp_path / "crops")
    assert batches == [2, 1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "nowhere: not there; --no-truth wants folders of pictures, or videos"),
        (["empty"], "no picture in it; wanted files that end in .jpg"),
        (["text.mp4"], "text.mp4: cannot be read as a picture or a video"),
        (["album", "--every", "0"], "--every: got 0"),
        (["album", "--backend", "truth"], "--backend truth: pictures without truth need a detector"),
        (["album", "--min-height", "500"], "no crop is left by these rules; dropped: 3 too low"),
    ],
)
def test_refusals(
    tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, args: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    album(tmp_path / "album")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    backend = [] if "--backend" in args else ["--backend", "torchvision"]
    assert said in fails(command, Settings, main, [*args, "--no-truth", "--out", "o", *backend])
