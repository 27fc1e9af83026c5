"""Every recipe as a user meets it: a whole run, cut off and resumed, with the target's identities dealt anew."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from datasets.manifest import COLUMNS
from datasets.writer import checksums
from tests.train.worlds import VIEWS, draw_worlds, drawn_meshes, flags, permute_train_pids, settings_of
from train import (
    abmt,
    act,
    benchmark,
    cap,
    cluster_contrast,
    dien,
    evaluate,
    gcl,
    ice,
    jvtc,
    mmcl,
    mmt,
    rae,
    smcr,
    source,
    spcl,
    udap,
)  # fmt: skip
from train.parts import backbones, comparison

RECIPES = {
    one.__name__.rpartition(".")[2]: one
    for one in (source, spcl, udap, cluster_contrast, mmt, abmt, act, cap, ice, jvtc, mmcl, rae, dien, gcl)
}
ADAPTING = [name for name in RECIPES if name != "source"]
QUICK = ("spcl", "mmt", "ice")  # on memories, on classifiers, on proxies: others go on in `make test`
UNSUPERVISED = ["spcl", "abmt", "cluster_contrast", "cap", "ice", "jvtc", "mmcl", "gcl"]  # which do without --src


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_worlds(tmp_path_factory.mktemp("recipes"))


@pytest.fixture(scope="module")
def stages(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pretraining and its translation, which all of them share."""
    runs = tmp_path_factory.mktemp("shared")
    source.main(arguments(source, data, runs))
    return runs / "stages"


def arguments(recipe: ModuleType, data: Path, runs: Path, unsupervised: bool = False) -> list[str]:
    """A command line that takes seconds: those of train.smcr's and train.gcl's flags that the recipe has."""
    given = [*flags(data, runs), *VIEWS]
    pairs = list(zip(given[::2], given[1::2], strict=True))
    known = {f"--{name.replace('_', '-')}" for name in settings_of(recipe).__dataclass_fields__}
    left_out = {"--syn", "--src"} if unsupervised else set()
    pairs.append(("--branches", "avg,max"))  # the tiny net's last stage has no block to be repeated
    return [word for flag, value in pairs if flag in known - left_out for word in (flag, value)]


def run(recipe: ModuleType, data: Path, runs: Path, stages: Path | None, unsupervised: bool = False) -> Path:
    """The folder of a run."""
    runs.mkdir(exist_ok=True)
    if stages and not (runs / "stages").exists():
        (runs / "stages").symlink_to(stages)
    if recipe is gcl:
        drawn_meshes(data, runs)
    recipe.main(arguments(recipe, data, runs, unsupervised))
    (result,) = runs.glob(f"{recipe.__name__.rpartition('.')[2]}/*/*/result.json")
    return result.parent


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_leaves_what_it_says(
    name: str, data: Path, stages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(RECIPES[name], data, tmp_path, stages)
    result = json.loads((folder / "result.json").read_text())
    assert "direct transfer" in result["figures"] and result["main"] in result["figures"]
    page = (folder / "report.html").read_text()
    assert result["main"] in page
    stages_of = {"translate-syn-to-src", "pretrain", *({name} - {"source"}), *(["views-tgt"] if name == "gcl" else [])}
    assert {stage.rpartition("-")[0] or stage for stage in result["cost"]} == stages_of
    assert all(cost["seconds"] > 0 and 50 < cost["peak_mib"] < 1e5 for cost in result["cost"].values())
    assert all(stage in page for stage in result["cost"])
    pretrained = {path.read_bytes() for path in stages.glob("pretrain-*/encoder.safetensors")}
    kept = weights(folder)
    assert kept.pop("direct.safetensors") in pretrained, "direct transfer is not a pretrained encoder"
    assert not pretrained & {*kept.values()}
    capsys.readouterr()
    run(RECIPES[name], data, tmp_path, stages)
    assert "finished earlier" in capsys.readouterr().out
    evaluate.main([str(folder), "--data", "tgt", "--data-root", str(data)])
    out = capsys.readouterr().out
    for row, figures in result["figures"].items():
        assert any(line.startswith(f"{row} ") and f"{figures['mAP']:.1f}" in line for line in out.splitlines())


@pytest.mark.long
@pytest.mark.parametrize("name", ADAPTING)
def test_target_identities_change_no_weight(name: str, data: Path, stages: Path, tmp_path: Path) -> None:
    draw_worlds(tmp_path / "data")
    permute_train_pids(tmp_path / "data" / "tgt")
    true, dealt = (run(RECIPES[name], where, tmp_path / where.name, None) for where in (data, tmp_path / "data"))
    assert weights(true) == weights(dealt)


class Cut(Exception):
    """Stands for a power cut."""


@pytest.fixture(scope="module")
def whole(data: Path, stages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Uncut runs by recipe."""
    done: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in done:
            done[name] = run(RECIPES[name], data, tmp_path_factory.mktemp(name), stages)
        return done[name]

    yield folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in ADAPTING]
)
def test_cut_off_in_an_epoch_it_goes_on_to_the_bit(
    name: str, data: Path, stages: Path, tmp_path: Path, whole: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, count = RECIPES[name], iter(range(100))
    (stage,) = [one for one in vars(recipe).values() if hasattr(one, "feed") and one.__module__ == recipe.__name__]
    step = stage.step

    def cut(self: object, *where: int) -> object:
        if next(count) == 5:
            raise Cut
        return step(self, *where)

    monkeypatch.setattr(stage, "step", cut)
    with pytest.raises(Cut):
        run(recipe, data, tmp_path, stages)
    monkeypatch.undo()
    assert weights(run(recipe, data, tmp_path, stages)) == weights(whole(name))


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_the_target_alone_is_enough(name: str, data: Path, tmp_path: Path) -> None:
    folder = run(RECIPES[name], data, tmp_path, None, unsupervised=True)
    assert folder.parent.name == "tgt" and not [*tmp_path.glob("stages/pretrain-*")]


@pytest.mark.parametrize(
    "name", ["spcl", *(pytest.param(name, marks=pytest.mark.long) for name in ("source", "mmt", "jvtc"))]
)
def test_a_target_that_nobody_labelled(
    name: str, data: Path, stages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has neither query nor gallery: the weights are those of a run that is scored, and nothing is."""
    bare = tmp_path / "bare"
    shutil.copytree(data, bare)
    table = pq.read_table(bare / "tgt" / "manifest.parquet")
    table = table.filter(pc.equal(table["split"], "train"))
    unknown = pa.array(np.full(len(table), -1))
    table = table.set_column(table.column_names.index("pid"), COLUMNS.field("pid"), unknown)
    pq.write_table(table, bare / "tgt" / "manifest.parquet")
    (bare / "tgt" / "SHA256SUMS").write_text(checksums(bare / "tgt"))
    folder, scored = (
        run(RECIPES[name], bare, tmp_path / "one", None),
        run(RECIPES[name], data, tmp_path / "two", stages),
    )
    assert weights(folder) == weights(scored)
    assert (
        "nothing is scored" in capsys.readouterr().out and "nothing is scored" in (folder / "report.html").read_text()
    )
    result = json.loads((folder / "result.json").read_text())
    assert not result["figures"] and {*result["rows"]} >= {result["main"]}
    assert comparison.compared([*benchmark.groups_of([(benchmark.Job("src:tgt", name, None, 0), folder)])])


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in UNSUPERVISED])
def test_others_want_a_source(name: str, data: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    assert "--src: wanted" in fails(RECIPES[name].main, arguments(RECIPES[name], data, tmp_path, unsupervised=True))


@pytest.mark.parametrize("name", RECIPES)
def test_ablations_name_real_settings(name: str) -> None:
    recipe, kind = RECIPES[name], settings_of(RECIPES[name])
    for row, changed in recipe.ABLATIONS.items():
        settings = kind(**changed)
        assert {one: getattr(settings, one) for one in changed} == changed, row


def test_mmt_s_nets_learn_from_each_other_s_slow_means(
    data: Path, stages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each net is taught comes from the other; and a slow mean is (1 - m) of its own net's steps to 1e-6."""
    taught: list[int] = []
    asked: list[int] = []
    teaches, softly = mmt.Student.teaches, mmt.losses.soft_cross_entropy
    by: dict[int, int] = {}

    def note(self: mmt.Student, *seen: object) -> tuple[torch.Tensor, torch.Tensor]:
        features, logits = teaches(self, *seen)
        by[id(logits)] = id(self.head)
        kept.append(logits)
        return features, logits

    def learn(logits: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        taught.append(by[id(other)])
        return softly(logits, other)

    def called(self: mmt.ClusterHead, features: torch.Tensor) -> torch.Tensor:
        asked.append(id(self))
        return torch.nn.functional.linear(features, self.weight)

    kept: list[torch.Tensor] = []
    monkeypatch.setattr(mmt.Student, "teaches", note)
    monkeypatch.setattr(mmt.losses, "soft_cross_entropy", learn)
    monkeypatch.setattr(mmt.ClusterHead, "__call__", called)
    run(mmt, data, tmp_path, stages)
    assert len(asked) == len(taught) > 4 and all(mine != other for mine, other in zip(asked, taught))
    assert set(asked) == set(taught)


@pytest.mark.long
def test_mmt_s_nets_begin_as_two_encoders_or_as_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[torch.Tensor]] = []
    begin = mmt.MutualTeaching.__init__

    def note(self: mmt.MutualTeaching, *given: object, **more: object) -> None:
        begin(self, *given, **more)
        begun.append([one.encoder.neck.running_mean.clone() for one in self.students])

    monkeypatch.setattr(mmt.MutualTeaching, "__init__", note)
    for flag in ("--two-starts", "--no-two-starts"):
        mmt.main([*arguments(mmt, data, tmp_path), flag])
    (two, one), (pretrained,) = begun, tmp_path.glob("stages/pretrain-2-*")
    assert not torch.equal(*two) and torch.equal(*one) and torch.equal(two[0], one[0])
    second = backbones.load(pretrained / "encoder.safetensors").neck.running_mean
    torch.testing.assert_close(two[1], second, atol=0, rtol=0)


def test_mmt_s_slow_mean_follows_its_own_net() -> None:
    encoder = backbones.build(backbones.EncoderSpec("timm:test_efficientnet", 32, 16), "none", 0)
    one = mmt.Student(encoder, mmt.MMT(ema=0.9), "cpu")
    one.begin(torch.eye(4, encoder.channels), torch.arange(4), 1e-3)
    before = {name: value.clone() for name, value in one.teacher.state_dict().items()}, one.head.slow.clone()
    for value in (*one.encoder.parameters(), one.head.weight):
        value.data.add_(1.0)
    one.follow()
    for name, value in one.teacher.named_parameters():
        torch.testing.assert_close(value, before[0][name] + 0.1, atol=1e-6, rtol=0)
    torch.testing.assert_close(one.head.slow, before[1] + 0.1, atol=1e-6, rtol=0)


@pytest.mark.long
@pytest.mark.parametrize("recipe", [*(RECIPES[name] for name in ADAPTING), smcr])
def test_small_budgets_learn_from_as_much(recipe: ModuleType, data: Path, tmp_path: Path) -> None:
    """Image-steps of an epoch: forward 1, with the way back 3."""
    small = {name: str(recipe.SMALL[name]) for name in ("steps", "batch", "per_identity") if name in recipe.SMALL}
    args = [*arguments(recipe, data, tmp_path), "--epochs", "1", "--steps", "1"]
    args += [word for name in ("batch", "per_identity") if name in small for word in (f"--{name}", small[name])]
    args = [word.replace("per_identity", "per-identity") for word in args]
    if recipe is gcl:
        drawn_meshes(data, tmp_path)
    recipe.main(args)
    (history,) = [path for path in tmp_path.glob("*/*/*/metrics.jsonl") if path.parts[-4] != "stages"]
    (line,) = [line for line in map(json.loads, history.read_text().splitlines()) if "image_steps" in line]
    assert line["image_steps"] * int(small["steps"]) == pytest.approx(13_440, rel=0.02)
