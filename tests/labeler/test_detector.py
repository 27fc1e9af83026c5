"""The detector: its pictures to learn from, its training, its measures; on figures drawn without Blender."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from torch import nn

from labeler import backends, coco, evaluate, maskrcnn, report, samples, train
from labeler.detection import Detection, box_of, people, truth
from labeler.label import Settings, main
from labeler.maskrcnn import WHOLE, Detector, build, read_model
from labeler.rules import Rules
from labeler.samples import Samples
from opengspr.checkpoint import read_weights, save_weights
from opengspr.command import UserError, command
from opengspr.randomness import rng
from synth.capture import Capture, Frame, Shot, open_capture, read_unit, write_unit
from tests.drawn import colour, draw_capture, draw_frame, draw_shot, png, tree

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return open_capture(draw_capture(tmp_path_factory.mktemp("c") / "little", frames=True))


# What it learns from


def test_samples_are_pictures_with_everybody_s_masks(capture: Capture) -> None:
    drawn = Samples([capture])
    sizes, counts = set(), set()
    for picture, masks in [sample for k in range(24) for sample in drawn.batch(3, k % 2 == 0, rng(k))]:
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert all(mask.shape == picture.shape[:2] and mask.dtype == bool for mask in masks)
        assert sum(mask.astype(int) for mask in masks).max(initial=0) <= 1 if masks else True, "nobody is in two masks"
        assert all(mask.sum() >= 60 and np.ptp(np.flatnonzero(mask.any(1))) >= 11 for mask in masks)
        sizes.add(picture.shape[:2])
        counts.add(len(masks))
    assert len(sizes) > 12 and {0, 1, 2, 3} <= counts and max(max(size) for size in sizes) <= samples.CANVAS
    (first,), (again,) = drawn.batch(1, True, rng(7)), drawn.batch(1, True, rng(7))
    assert (first[0] == again[0]).all() and len(first[1]) == len(again[1])


def test_regions_of_a_batch_are_of_one_height(capture: Capture) -> None:
    """So that hardly anything of what the model sees is empty."""
    drawn = Samples([capture])
    for k in range(8):
        heights = [len(picture) for picture, _ in drawn.batch(6, True, rng(k, "batch"))]
        most = max(heights)
        assert sorted(heights)[3] == most and most <= maskrcnn.NEAR, "but for those of which a part was cut off"


def test_masks_follow_their_people(capture: Capture) -> None:
    """In parts of frames at any scale, what a mask covers has the colour of somebody."""
    drawn, colours = Samples([capture]), np.array([colour(pid) for pid in range(6)]) + 10
    seen = 0
    for k in range(30):
        picture, masks = drawn._part(rng(k, "follow"))
        for mask in masks:
            if mask.sum() > 300 and not mask[:, -9:].any():
                seen += 1
                assert np.abs(colours - np.median(picture[mask], axis=0)).max(axis=1).min() < 12
                around = np.roll(mask, 8, 1) & ~mask
                assert np.abs(colours - np.median(picture[around], axis=0)).max(axis=1).min() > 12
    assert seen > 10


def test_a_picture_of_another_size_than_its_mask_is_refused(tmp_path: Path) -> None:
    path = draw_capture(tmp_path / "c", people=1, units=1)
    unit = open_capture(path).units()[0]
    first, *rest = read_unit(unit)
    write_unit(unit, [Shot(first.truth, first.jpg, png(np.ones((70, 40), np.uint8))), *rest])
    with pytest.raises(UserError, match=f"{first.key}: its picture and its mask are of different sizes"):
        Samples([open_capture(path)])


def test_who_is_pasted_is_seen_where_the_mask_says(capture: Capture) -> None:
    drawn = Samples([capture])
    colours = np.array([colour(pid) for pid in range(6)]) + 10
    pasted = 0
    for k in range(20):
        picture, masks = drawn._part(rng(k, "part"))
        there = len(masks)
        picture, masks = drawn._pasted(picture, masks, rng(k, "paste"))
        for mask in masks[there:]:
            inner = mask & np.roll(mask, 3, 0) & np.roll(mask, -3, 0) & np.roll(mask, 3, 1) & np.roll(mask, -3, 1)
            if inner.sum() > 50:
                pasted += 1
                shown = np.median(picture[inner], axis=0)
                bright = shown.sum() / colours.sum(1)  # they are fitted to the light
                assert np.abs(colours * bright[:, None] - shown).max(axis=1).min() < 12
    assert pasted > 10


def test_pasted_pieces_show_nobody_and_hide_people(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "PEOPLE", 0.0)
    drawn, changed, hidden = Samples([capture]), 0, 0
    for k in range(40):
        before, masks = drawn._part(rng(k, "part"))
        after, left = drawn._pasted(before.copy(), [mask.copy() for mask in masks], rng(k, "paste"))
        assert len(left) == len(masks) and all((new <= old).all() for new, old in zip(left, masks))
        changed += (before != after).any()
        hidden += any((new < old).any() for new, old in zip(left, masks))
    assert changed > 10 and hidden > 2


# The model


class Stub(nn.Module):
    """A model that finds one person, in the left upper quarter of what it sees, of whom the mask has the left half."""

    def __init__(self) -> None:
        super().__init__()
        self.transform, self.backbone = maskrcnn.AsTheyAre(), nn.Identity()
        self.rpn = nn.Identity()
        self.roi_heads = nn.Identity()
        self.rpn.forward = lambda images, features: ([], {})
        self.roi_heads.forward = lambda features, proposals, sizes: ([self.found(*size) for size in sizes], {})

    def found(self, height: int, width: int) -> dict[str, torch.Tensor]:
        masks = torch.zeros(2, 1, 28, 28)
        masks[:, :, :, :14] = 1
        boxes = torch.tensor([[0.0, 0.0, width / 2, height / 2]] * 2)
        return {"boxes": boxes, "scores": torch.tensor([0.9, 0.8]), "labels": torch.tensor([1, 7]), "masks": masks}


@pytest.mark.parametrize("size", [(140, 80), (2 * WHOLE, 600), (600, 2 * WHOLE), (33, 1501)])
def test_detections_lie_where_they_are_in_the_given_picture(size: tuple[int, int]) -> None:
    pictures = [np.zeros((*size, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)]
    (one,), (other,) = Detector(Stub())(pictures)  # type: ignore[arg-type]  # stands in for one
    height, width = size
    assert one.score == pytest.approx(0.9) and other.box == (0, 0, 25, 25)
    assert np.abs(np.subtract(one.box, (0, 0, width / 2, height / 2))).max() <= 1
    assert one.mask.shape == (one.box[3], one.box[2])
    columns = np.flatnonzero(one.mask.any(0))
    assert columns[0] == 0 and abs(columns[-1] + 1 - width / 4) <= 1 + width / 100
    assert one.mask[:, columns].mean() > 0.95


@pytest.mark.long
def test_a_model_finds_within_its_pictures() -> None:
    torch.manual_seed(0)
    model = build("light")
    model.roi_heads.score_thresh = 0.0
    torch.nn.init.constant_(model.roi_heads.mask_predictor.mask_fcn_logits.bias, 3.0)
    pictures = [rng(0).integers(0, 255, (*size, 3), np.uint8) for size in ((140, 80), (2 * WHOLE, 300))]
    for picture, found in zip(pictures, Detector(model)(pictures)):
        assert found
        for one in found:
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 < x1 <= picture.shape[1] and 0 <= y0 < y1 <= picture.shape[0]
            assert one.mask.shape == (y1 - y0, x1 - x0) and one.mask.any() and 0 <= one.score <= 1


def test_weights_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    tensors = build("light").state_dict()
    save_weights(tmp_path / "good.safetensors", tensors, {"model": "light"})
    read_model(tmp_path / "good.safetensors")
    first, second = list(tensors)[:2]
    odd = {**tensors, "more": torch.zeros(3), second: torch.zeros(1)}
    del odd[first]
    save_weights(tmp_path / "odd.safetensors", odd, {"model": "light"})
    with pytest.raises(UserError) as error:
        read_model(tmp_path / "odd.safetensors")
    assert all(text in str(error.value) for text in (f"1 missing: {first}", "1 extra: more", f"{second} is (1,)"))
    save_weights(tmp_path / "other.safetensors", tensors)
    with pytest.raises(UserError, match="weights of the model None, wanted light or r50"):
        read_model(tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="weights of the model light, wanted r50: --model light"):
        read_model(tmp_path / "good.safetensors", "r50")


# Its training


def quick(*args: str, capture: Capture, out: Path) -> None:
    flags = ["--out", str(out), "--epochs", "2", "--steps", "2", "--batch", "2", "--device", "cpu"]
    command(train.Settings, train.main, [str(capture.path), *flags, *args])


@pytest.mark.long
def test_training_stops_and_goes_on_as_if_uncut(
    capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "evaluate", lambda *_: ({"region_box_ap50": 0.5}, []))  # what knows nothing takes long
    monkeypatch.setattr(samples, "CANVAS", 96)
    quick("--test", str(capture.path), capture=capture, out=tmp_path / "whole")
    original, left = train.Training.step, iter(range(3))

    def cut(self: train.Training, epoch: int, step: int) -> Any:
        if next(left, None) is None:
            raise KeyError("cut")
        return original(self, epoch, step)

    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(train.Training, "step", cut)
        quick(capture=capture, out=tmp_path / "cut")
    quick(capture=capture, out=tmp_path / "cut")
    assert "goes on at epoch 2 of 2" in capsys.readouterr().out
    first, second = (read_weights(tmp_path / name / "weights.safetensors") for name in ("whole", "cut"))
    assert first[1] == second[1] == {"model": "light"}
    assert all(torch.equal(first[0][name], second[0][name]) for name in first[0])
    assert (tmp_path / "whole" / "weights.safetensors").stat().st_size < 20 << 20
    assert "Not measured" in (tmp_path / "cut" / "weights.md").read_text()
    card = (tmp_path / "whole" / "weights.md").read_text()
    assert "labeler.train" in card and "region_box_ap50" in card and "Apache-2.0" in card and "test world" in card
    Detector.load(str(tmp_path / "whole" / "weights.safetensors"), "cpu")([np.zeros((140, 80, 3), np.uint8)])


def test_it_learns_the_same_in_brain_floats(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch is fast at them or not; what boxes are made of stays in full."""
    monkeypatch.setattr(samples, "CANVAS", 96)
    losses, predicted = [], []
    for brain in (True, False):
        monkeypatch.setattr(train, "has_brain_floats", lambda device, brain=brain: brain)
        torch.manual_seed(1)
        training = train.Training(train.Settings(()), build("light"), Samples([capture]), "cpu")
        training.model.rpn.head.register_forward_hook(lambda part, given, out: predicted.extend(out[1]))
        training.feed(0, 0)
        losses.append(training.step(0, 0))
        assert predicted and all(tensor.dtype == torch.float32 for tensor in predicted)
        assert all(tensor.dtype == torch.float32 for tensor in training.model.state_dict().values() if tensor.ndim)
    for name, loss in losses[0].items():
        assert loss.dtype == torch.float32 and loss.item() == pytest.approx(losses[1][name].item(), rel=0.05), name
        assert loss.item() != losses[1][name].item(), name


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "huge"], "--model: got 'huge', wanted light or r50"),
        (["--epochs", "0"], "--epochs: got 0"),
        (["--init", "no.safetensors"], "no.safetensors"),
        (["--lr", "0.5"], "holds a run with lr 0.001, this is 0.5"),
    ],
)
def test_training_refuses(
    capture: Capture, tmp_path: Path, fails: Callable[..., str], flags: list[str], said: str
) -> None:
    (tmp_path / "o").mkdir()
    settings = train.Settings((capture.path,), tmp_path / "o")
    train._same_run(tmp_path / "o", settings, [capture])
    assert said in fails(command, train.Settings, train.main, [str(capture.path), "--out", str(tmp_path / "o"), *flags])


@pytest.mark.slow
def test_it_learns_to_find_figures(capture: Capture, tmp_path: Path) -> None:
    flags = ["--epochs", "3", "--steps", "60", "--batch", "4", "--device", "cpu"]
    command(train.Settings, train.main, [str(capture.path), "--out", str(tmp_path), *flags])
    detector = Detector.load(str(tmp_path / "weights.safetensors"), "cpu")
    figures, _ = evaluate.evaluate(detector, detector, [*capture.shots()], [*capture.frames()])
    assert figures["region_box_ap50"] > 0.9 and figures["frame_box_ap50"] > 0.5, figures


# Its measures


def moved(by: int) -> Callable[..., list[list[Detection]]]:
    """A detector that finds everybody so many pixels to the right."""

    def backend(pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[list[Detection]]:
        masks = [[np.roll(mask, by, 1) for mask in people(instances)] for instances in truths]
        return [[Detection.of(mask, 0.9) for mask in some] for some in masks]

    return backend


def test_the_truth_is_perfect_and_a_shift_is_measured(capture: Capture) -> None:
    shots, frames = [*capture.shots()], [*capture.frames()]
    figures, cases = evaluate.evaluate(truth, truth, shots, frames)
    aps = ("box_ap50", "box_ap", "mask_ap50", "mask_ap")
    perfect = {f"{kind}_{what}" for kind in ("region", "frame") for what in aps}
    perfect |= {"median_crop_iou", "kept_share", "kept_of_truth", "own_recall"}
    assert all(figures[name] > 0.999 for name in perfect), figures
    assert figures["another_shows_more"] == figures["false_positives_per_empty_frame"] == 0
    assert (figures["regions"], figures["frames"], figures["empty_frames"]) == (36, 3, 3) and len(cases) == 42
    figures, _ = evaluate.evaluate(moved(10), moved(10), shots, frames)
    assert figures["median_crop_iou"] == pytest.approx(30 / 50)
    assert figures["region_box_ap50"] > 0.999 and figures["region_box_ap"] == pytest.approx(0.3, abs=0.01)


def test_half_found_and_false_alarms() -> None:
    shots = [draw_shot(k, 0) for k in range(10)]
    frames = [draw_frame(k, {}) for k in range(4)]

    def half(pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[list[Detection]]:
        alarm, doubt = np.zeros((2, 540, 960), bool)
        alarm[5:100, 5:50] = doubt[5:100, 305:350] = True  # who is in doubt makes no crop where there is no truth
        found = truth(pictures, truths)
        return [
            [Detection.of(doubt, 0.8), *[Detection.of(alarm, 0.95)] * (k % 2)]
            if mask.shape == alarm.shape
            else one * (k % 2)
            for k, (mask, one) in enumerate(zip(truths, found))
        ]

    figures, cases = evaluate.evaluate(half, half, shots, frames)
    assert figures["region_box_ap50"] == pytest.approx(0.5, abs=0.01) and figures["kept_share"] == 0.5
    assert figures["median_crop_iou"] == 0.5 and figures["own_recall"] == figures["kept_of_truth"] == 0.5
    assert figures["false_positives_per_empty_frame"] == 0.5
    table = evaluate.recalls(cases)
    assert table["place (regions)"] == {"place0": (0.5, 10)}
    assert table["height, pixels (regions)"] == {"80 to 160": (0.5, 10)}


@pytest.mark.parametrize(("first", "last", "share"), [(38, 42, 0), (26, 54, 1)])
def test_a_crop_that_shows_more_of_another_is_counted(first: int, last: int, share: int) -> None:
    shot = draw_shot(3, 0)
    mask = shot.mask()
    mask[20:120, first:last] = 2  # somebody before the middle of them
    figures, (case,) = evaluate.evaluate(truth, truth, [Shot(shot.truth, shot.jpg, png(mask))], [])
    assert case.kept and figures["another_shows_more"] == share


def test_a_fixed_box_is_measured_beside_the_detector() -> None:
    whole, half = draw_shot(3, 0), draw_shot(4, 0)
    mask = half.mask()
    mask[:, 40:] = 0
    figures, _ = evaluate.evaluate(truth, truth, [whole, Shot(half.truth, half.jpg, png(mask))], [])
    assert figures["own_recall"] == 1 and figures["centre_box_own_recall"] == 0.5


def test_the_command_writes_its_report(capture: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [str(capture.path), "--backend", "truth", "--out", str(tmp_path / "e"), "--shots", "14"]
    command(evaluate.Settings, evaluate.main, args)
    assert "region_box_ap50                    1" in capsys.readouterr().out
    figures = json.loads((tmp_path / "e" / "figures.json").read_text())
    assert figures["regions"] == 12 and figures["recall"]["weather (frames)"] == {"clear": [1.0, 6]}
    page = (tmp_path / "e" / "report.html").read_text()
    assert page.count("<img") == 18 and "</html>" in page


def test_names_in_the_report_are_escaped() -> None:
    shot = draw_shot(3, 0)
    shot.truth["key"] = "<script>alert(1)</script>"
    case = report.Case("region", shot, 100, 1.0, (1, 1, 9, 9), None, 0.0)
    page = report.page({"<b>": 1.0}, {"<i>": {"<u>": (1.0, 1)}}, [case])
    assert "<script>" not in page and "<b>" not in page and "<i>" not in page and "<u>" not in page


# COCO


def test_frames_are_exported_as_coco_reads_them(capture: Capture, tmp_path: Path) -> None:
    assert coco.export(capture, tmp_path / "coco") == "6 frames with 6 people"
    read = COCO(str(tmp_path / "coco" / "annotations.json"))
    frames = {frame.key: frame for frame in capture.frames()}
    assert len(read.imgs) == 6 and {*read.cats} == {1}
    for image in read.imgs.values():
        frame: Frame = frames[image["file_name"].removesuffix(".jpg")]
        assert (tmp_path / "coco" / "images" / image["file_name"]).read_bytes() == frame.jpg
        assert (image["height"], image["width"], image["place"]) == (540, 960, "place0")
        found = read.loadAnns(read.getAnnIds(image["id"]))
        assert [one["pid"] for one in found] == [person["pid"] for person in frame.truth["people"]]
        for one, person in zip(found, frame.truth["people"]):
            mask = frame.mask() == person["instance"]
            assert (read.annToMask(one) == mask).all() and one["area"] == mask.sum() and one["iscrowd"] == 0
            assert one["bbox"] == [box_of(mask)[0], 200, 40, 100]
    before = tree(tmp_path / "coco")
    coco.export(capture, tmp_path / "coco")
    assert tree(tmp_path / "coco") == before


# Other backends


def test_detectron2_that_is_not_there(capture: Capture, fails: Callable[..., str], tmp_path: Path) -> None:
    args = [str(capture.path), "--backend", "detectron2", "--out", str(tmp_path / "o")]
    assert "--backend detectron2: the package is not installed here" in fails(command, Settings, main, args)


STAND_IN = {
    "__init__.py": "",
    "model_zoo.py": """
def get_config_file(name):
    if name != "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml":
        raise RuntimeError(f"{name} not available")
    return name
def get_checkpoint_url(name): return f"weights of {name}"
""",
    "config.py": """
from types import SimpleNamespace
def get_cfg():
    model = SimpleNamespace(DEVICE="")
    taken = SimpleNamespace(FORMAT="BGR", MIN_SIZE_TEST=160, MAX_SIZE_TEST=999)
    return SimpleNamespace(MODEL=model, INPUT=taken, merge_from_file=lambda name: None)
""",
    "checkpoint.py": """
class DetectionCheckpointer:
    def __init__(self, model): self.model = model
    def load(self, weights): self.model.weights = weights
""",
    "data/__init__.py": "",
    "data/transforms.py": """
from types import SimpleNamespace
class ResizeShortestEdge:
    def __init__(self, short, longest): self.short = short[0]
    def get_transform(self, image):
        factor = self.short // min(image.shape[:2])
        return SimpleNamespace(apply_image=lambda image: image.repeat(factor, 0).repeat(factor, 1))
""",
    "modeling.py": """
import torch
from types import SimpleNamespace
class Instances(SimpleNamespace):
    def to(self, device): return self
    def __getitem__(self, which):
        boxes = SimpleNamespace(tensor=self.pred_boxes.tensor[which])
        rest = {name: getattr(self, name)[which] for name in ("pred_classes", "pred_masks", "scores")}
        return Instances(pred_boxes=boxes, **rest)
class Model:
    def eval(self): return self
    def __call__(self, inputs):
        assert self.weights.startswith("weights of COCO")
        found = []
        for one in inputs:
            assert one["image"].shape[1] == 2 * one["height"] and one["image"].dtype == torch.float32
            blue = one["image"][0, ::2, ::2] > 200  # BGR: the first channel
            rows, columns = blue.any(1).nonzero()[:, 0], blue.any(0).nonzero()[:, 0]
            box = torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()
            boxes = SimpleNamespace(tensor=torch.stack([box, box]))
            found.append({"instances": Instances(pred_classes=torch.tensor([2, 0]), pred_boxes=boxes,
                pred_masks=torch.stack([blue, blue]), scores=torch.tensor([0.9, 0.7]))})
        return found
def build_model(cfg):
    assert cfg.MODEL.DEVICE == "cpu"
    return Model()
""",
}


def test_detectron2_is_asked_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str], capture: Capture
) -> None:
    """With a stand-in of the package's interface, since the package itself is built from sources."""
    for name, text in STAND_IN.items():
        (tmp_path / "detectron2" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "detectron2" / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    choice = backends.checked(backends.Choice("detectron2", device="cpu"))
    picture = np.full((140, 80, 3), 90, np.uint8)
    picture[20:120, 20:60] = 10, 10, 250
    ((one,),) = backends.load(choice)([picture], [])
    assert one.box == (20, 20, 60, 120) and one.score == pytest.approx(0.7) and one.mask.shape == (100, 40)
    assert one.mask.all()
    args = [str(capture.path), "--backend", "detectron2", "--weights", "mine", "--out", str(tmp_path / "o")]
    assert "--weights mine: not a model of detectron2's zoo" in fails(command, Settings, main, args)
    for name in [name for name in sys.modules if name.startswith("detectron2")]:
        del sys.modules[name]


def test_published_weights_without_a_network(
    capture: Capture, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str], tmp_path: Path
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    args = [str(capture.path), "--backend", "torchvision", "--weights", "coco", "--out", str(tmp_path / "o")]
    assert "--weights coco: the published weights cannot be fetched" in fails(command, Settings, main, args)
    args[4] = "no.safetensors"
    assert "no.safetensors: no such file of weights" in fails(command, Settings, main, args)
    args[2] = "truth"
    assert "--weights no.safetensors: --backend truth has none" in fails(command, Settings, main, args)


# What is shipped


def test_the_shipped_detector_finds_people() -> None:
    """On a picture of docs/: one person 26 times in 8 columns, sitting twice."""
    with Image.open(Path(maskrcnn.__file__).parents[1] / "docs/pictures/person.jpg") as sheet:
        picture = np.array(sheet.resize((sheet.width // 2, sheet.height // 2)))
    (found,) = Detector.load("default", "cpu")([picture])
    sure = Rules().sure(found)[0]
    cells = {(one.box[0] * 8 // picture.shape[1], one.box[1] * 4 // picture.shape[0]) for one in sure}
    assert len(cells) >= 24 and all(85 <= one.box[3] - one.box[1] <= 140 for one in sure)
    size = maskrcnn.DEFAULT.stat().st_size
    assert size <= 20e6 and maskrcnn.DEFAULT.with_suffix(".md").is_file()
