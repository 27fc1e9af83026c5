"""Bodies: the model against the renderer's own, drawing against a plain one, the regressor as a user meets it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation
from torch import Tensor

from opengspr.command import UserError
from opengspr.randomness import rng
from synth.capture import open_capture
from synth.person.identity import appearance
from synth.person.person import build, pose, stance
from synth.poses import BodySpace, People, body_space
from tests.train.worlds import TINY, TINY_WORLD
from train import mesh
from train.parts import drawing, gl, mesh_figures, mesh_net, structures
from train.parts.body import BodyModel, Pose, aligned, projected, rotations, six_numbers
from train.parts.mesh_net import Meshes
from train.parts.shots import Crops, Shots, drawn_boxes, plain, within

CAPTURE = Path(__file__).parent.parent / "data" / "earlier" / "0.0.1" / "capture"
SMALL = mesh.Mesh(height=64, width=32, **{name: mesh.SMALL[name] for name in ("backbone", "init")})


@pytest.fixture(scope="module")
def people() -> People:
    return People(open_capture(CAPTURE))


@pytest.fixture(scope="module")
def space(people: People) -> BodySpace:
    return body_space([*people.bodies()], 10)


@pytest.fixture(scope="module")
def exact(space: BodySpace) -> BodyModel:
    """In float64."""
    return BodyModel({name: torch.from_numpy(getattr(space, name)) for name in BodyModel.parts}).double()


@pytest.fixture(scope="module")
def model(exact: BodyModel) -> BodyModel:
    return BodyModel(exact.state_dict()).float()


@pytest.fixture(scope="module")
def shots(people: People, space: BodySpace) -> Shots:
    return mesh.read_shots([people], space, 100)


@pytest.fixture(scope="module")
def crops(shots: Shots) -> Crops:
    return plain(shots, SMALL.height, SMALL.width)


@pytest.fixture(scope="module")
def bodies(crops: Crops, model: BodyModel) -> Pose:
    return crops.pose(model, torch.arange(len(crops)))


@pytest.fixture(scope="module")
def standing(bodies: Pose) -> Pose:
    """In float64."""
    return Pose(*(part.double() for part in bodies))


def turned_at_random(count: int, *shape: int) -> Tensor:
    return rotations(torch.from_numpy(np.random.default_rng(count).normal(size=(count, *shape, 6))))


def test_bodies_stand_where_the_renderer_s_stand(people: People, exact: BodyModel, standing: Pose) -> None:
    """Keypoints in space, relative to each other, are the truth's to what ten components leave of a shape: here none,
    as there are three people; and in the picture to what a camera without perspective leaves.
    """
    every = [shot for shot in open_capture(CAPTURE).shots() if shot.truth["visible_share"] >= mesh.SEEN]
    _, joints = exact(standing)
    for k, shot in enumerate(every):
        truth = shot.truth
        camera = np.array(truth["camera"]["R"])
        wanted = torch.from_numpy(np.array(truth["keypoints_3d"]) @ camera.T)
        mine = joints[k] - joints[k].mean(0)
        distances = torch.cdist(wanted, wanted)
        torch.testing.assert_close(torch.cdist(mine, mine), distances, atol=2e-4, rtol=0)
        box, flat = np.array(truth["box"]), np.array(truth["keypoints_2d"])[:, :2]
        places = (projected(joints[k][None], standing.camera[k][None])[0].numpy() + 1) / 2
        off = places * (box[2:] - box[:2]) + box[:2] - flat
        assert np.linalg.norm(off, axis=1).mean() < 0.03 * np.ptp(flat[:, 1])


def test_the_surface_is_the_renderer_s(people: People, space: BodySpace, exact: BodyModel, standing: Pose) -> None:
    """Against synth.person's own posing, which is in numpy and bone by bone."""
    shot = next(iter(open_capture(CAPTURE).shots()))
    look = appearance(people.looks[shot.truth["pid"]], shot.truth["variation"])
    person = build(look)
    _, marks = pose(person, stance(look, shot.truth["action"], shot.truth["body"]["phase"]))
    _, joints = exact(Pose(*(part[:1] for part in standing)))
    unturned = (joints[0] @ standing.facing[0]).numpy()
    np.testing.assert_allclose(unturned - unturned.mean(0), marks - marks.mean(0), atol=2e-4)


def test_skinning_is_the_plain_sum_of_bones(exact: BodyModel, standing: Pose) -> None:
    """Vertex by vertex, bone by bone, in float64."""
    one = Pose(*(part[:1] for part in standing))._replace(turns=turned_at_random(1, exact.bones))
    skin, _ = exact(one)
    unposed = (exact.mean + torch.tensordot(one.shape[0], exact.components, 1)).numpy()
    heads = unposed[len(exact.weights) :][: exact.bones]
    placed: list[tuple[np.ndarray, np.ndarray]] = []  # each bone's rotation and where its head goes
    for bone, parent in enumerate(exact.parents.tolist()):
        own = one.turns[0, bone].numpy()
        if parent < 0:
            placed.append((own, heads[bone]))
        else:
            turn, head = placed[parent]
            placed.append((turn @ own, head + turn @ (heads[bone] - heads[parent])))
    for vertex in range(0, len(exact.weights), 97):
        at = sum(
            float(exact.weights[vertex, bone]) * (turn @ (unposed[vertex] - heads[bone]) + head)
            for bone, (turn, head) in enumerate(placed)
        )
        wanted = one.facing[0].numpy() @ (at - heads[0])
        np.testing.assert_allclose(skin[0, vertex].numpy(), wanted, atol=1e-9)


def test_rotations_are_rotations_and_come_back() -> None:
    made = turned_at_random(7, 5)
    eye = torch.eye(3, dtype=made.dtype).expand_as(made)
    torch.testing.assert_close(made @ made.mT, eye)
    torch.testing.assert_close(torch.linalg.det(made), torch.ones(7, 5, dtype=made.dtype))
    torch.testing.assert_close(rotations(six_numbers(made)), made)


def test_a_mirror_shows_the_other_side(exact: BodyModel, standing: Pose) -> None:
    """Left becomes right in the picture and in name; twice is never."""
    every = torch.ones(len(standing.shape), dtype=torch.bool)
    seen = exact.mirrored(standing, every)
    for was, now in zip(standing, exact.mirrored(seen, every)):
        torch.testing.assert_close(now, was)
    for was, now in zip(standing, exact.mirrored(standing, ~every)):
        torch.testing.assert_close(now, was, atol=0, rtol=0)
    other = [0, *(k + 1 if k % 2 else k - 1 for k in range(1, 17))]
    places, mirrored = (projected(exact(one)[1], one.camera) for one in (standing, seen))
    torch.testing.assert_close(mirrored, places[:, other] * torch.tensor([-1.0, 1.0]), atol=0.02, rtol=0)


def test_turning_is_about_the_body_s_own_axis(exact: BodyModel, standing: Pose) -> None:
    count = len(standing.shape)
    around = standing
    for _ in range(8):
        around = around.turned(torch.full((count,), torch.pi / 4, dtype=torch.float64))
    torch.testing.assert_close(around.facing, standing.facing)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    turned = standing.turned(torch.full((count,), 1.0, dtype=torch.float64))
    torch.testing.assert_close(turned.facing @ up, standing.facing @ up)
    left = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    half = standing.turned(torch.full((count,), torch.pi, dtype=torch.float64))
    torch.testing.assert_close(half.facing @ left, -(standing.facing @ left))


def test_alignment_takes_out_what_is_no_pose() -> None:
    random = np.random.default_rng(0)
    points = torch.from_numpy(random.normal(size=(20, 17, 3)))
    turn, scale = turned_at_random(20), torch.from_numpy(random.uniform(0.3, 3, (20, 1, 1)))
    moved = scale * points @ turn.mT + torch.from_numpy(random.normal(size=(20, 1, 3)))
    torch.testing.assert_close(aligned(moved, points), points)
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert (aligned(mirrored, points) - points).norm(dim=2).mean() > 0.3, "a reflection is no rotation"
    noisy = points + 0.1 * torch.from_numpy(random.normal(size=points.shape))
    best = (aligned(noisy, points) - points).square().sum((1, 2))
    for _ in range(20):  # nothing near is better
        tried = aligned(noisy, points) @ rotations(
            six_numbers(torch.eye(3).double()) + 0.05 * torch.from_numpy(random.normal(size=(20, 6)))
        )
        assert ((tried - points).square().sum((1, 2)) >= best - 1e-9).all()


def nearest_by_hand(corners: np.ndarray, colours: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each pixel's centre against each triangle (F, 3, 3), the nearest kept."""
    page, depth = np.zeros((height, width, 3)), np.full((height, width), np.inf)
    for (a, b, c), colour in zip(corners, colours):
        edges = np.array([b[:2] - a[:2], c[:2] - a[:2]]).T
        if abs(np.linalg.det(edges)) < 1e-12:
            continue
        for y in range(height):
            for x in range(width):
                s, t = np.linalg.solve(edges, [x + 0.5 - a[0], y + 0.5 - a[1]])
                if s >= 0 and t >= 0 and s + t <= 1:
                    z = (1 - s - t) * a[2] + s * b[2] + t * c[2]
                    if z < depth[y, x]:
                        depth[y, x] = z
                        page[y, x] = (1 - s - t) * colour[0] + s * colour[1] + t * colour[2]
    return page


def test_the_rasteriser_keeps_what_is_nearest() -> None:
    random = np.random.default_rng(3)
    parts = {
        "mean": torch.from_numpy(random.normal(size=(30 + 1 + 17, 3))).float(),
        "components": torch.zeros(1, 48, 3), "faces": torch.from_numpy(random.integers(0, 30, (25, 3))),
        "weights": torch.ones(30, 1), "parents": torch.tensor([-1]), "mirror": torch.tensor([0]),
        "carriers": torch.zeros(17, dtype=torch.long),
    }  # fmt: skip
    one = BodyModel(parts)
    vertices = torch.from_numpy(random.uniform(-1.3, 1.3, (2, 30, 3))).float()
    camera = torch.tensor([[0.0, 0.1, 0.0, 0.2], [-0.3, 0.2, 0.1, 0.0]])
    made = drawing.Rasteriser(one).draw(vertices, camera, 20, 12)
    corners = drawing.in_pixels(vertices, camera, 20, 12)[:, one.faces].double().numpy()
    for picture, its in zip(made, corners):
        wanted = nearest_by_hand(its, drawing.colours(one)[one.faces].numpy().astype(float), 20, 12)
        assert np.abs(picture - wanted).max(2).astype(bool).mean() < 1 and (np.abs(picture - wanted) <= 1).mean() > 0.99


@pytest.mark.skipif(not gl.working(), reason="pyrender cannot draw here")
def test_both_painters_draw_the_same(model: BodyModel, bodies: Pose) -> None:
    """Silhouettes agree to one pixel, colours nearly; a batch is its pictures one by one."""
    by_gl = drawing.painter(model)
    assert isinstance(by_gl, drawing.OnGL)
    camera = bodies.camera
    skin, _ = model(bodies)
    plain, made = (one.draw(skin, camera, 128, 64) for one in (drawing.Rasteriser(model), by_gl))
    for left, right in zip(plain, made):
        ours, theirs = left.any(2), right.any(2)
        assert ours.sum() > 400
        assert not (ours & ~binary_dilation(theirs, iterations=1)).any()
        assert not (theirs & ~binary_dilation(ours, iterations=1)).any()
        both = ours & theirs
        assert np.abs(left[both].astype(int) - right[both]).mean() < 8
    singles = [by_gl.draw(skin[k : k + 1], camera[k : k + 1], 128, 64)[0] for k in range(len(skin))]
    assert np.mean(np.stack(singles) != made) < 0.002


def test_what_is_asked_for_and_does_not_work_is_said(model: BodyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gl, "working", lambda wanted: "")
    assert isinstance(drawing.painter(model, "auto"), drawing.Rasteriser)
    with pytest.raises(UserError, match="--draw-by osmesa: pyrender cannot draw so here"):
        drawing.painter(model, "osmesa")


def test_structures_are_the_bodies_from_eight_sides(model: BodyModel, bodies: Pose, tmp_path: Path) -> None:
    meshes = Meshes(model, mesh_net.packed(bodies), {"data": "x"})
    painter = drawing.Rasteriser(model)
    told = structures.draw(tmp_path, meshes, painter, 64, 32, size=2)
    found = structures.opened(tmp_path, 64, 32)
    assert told["pictures"] == len(found) == 8 * len(meshes)
    front = painter.draw(model(bodies)[0], bodies.camera, 64, 32)
    assert np.mean(found.__getitems__(np.arange(0, len(found), 8)) != front) < 0.01
    back = bodies.turned(torch.full((len(meshes),), torch.pi))
    wanted = painter.draw(model(back)[0], bodies.camera, 64, 32)
    assert np.mean(found.__getitems__(np.arange(4, len(found), 8)) != wanted) < 0.01
    meshes.save(tmp_path / "m.safetensors")
    read = Meshes.load(tmp_path / "m.safetensors")
    assert read.notes["data"] == "x" and read.fingerprint == meshes.fingerprint
    torch.testing.assert_close(read.pose.turns, meshes.pose.turns)


def test_boxes_are_moved_and_cut_and_stay_in_the_picture(shots: Shots) -> None:
    index = torch.arange(len(shots)).repeat(200)
    box = drawn_boxes(shots, index, SMALL.pad, SMALL.cut, rng(0))
    size, own = shots.size[index], shots.box[index]
    assert (box >= 0).all() and (box[:, 2:] <= size).all() and (box[:, 2:] > box[:, :2]).all()
    height = own[:, 3] - own[:, 1]
    assert ((box[:, 3] < own[:, 3] - 0.11 * height).float().mean() - 0.2 * 0.5 * 2 / 3).abs() < 0.04
    still = drawn_boxes(shots, index, 0.0, 0.0, rng(0))
    torch.testing.assert_close(still, within(own, size))


def test_people_of_several_captures_are_several(people: People, space: BodySpace, shots: Shots) -> None:
    both = mesh.read_shots([people, people], space, 100)
    assert len(both) == 2 * len(shots) and len(np.unique(both.pid)) == 2 * len(np.unique(shots.pid))
    torch.testing.assert_close(both.shape, shots.shape.repeat(2, 1), atol=0, rtol=0)
    assert len(mesh.read_shots([people, people], space, len(shots))) == len(shots)


def test_a_body_by_some_of_its_vertices(model: BodyModel, bodies: Pose) -> None:
    some = torch.tensor([5, 900, 3])
    (skin, joints), (found, same) = model(bodies), model.of_vertices(some)(bodies)
    torch.testing.assert_close(found, skin[:, some])
    torch.testing.assert_close(same, joints)


def test_crops_and_bodies_are_mirrored_together(shots: Shots, model: BodyModel) -> None:
    index, box = torch.zeros(2, dtype=torch.long), within(shots.box[:1], shots.size[:1]).repeat(2, 1)
    two = Crops(shots, index, box, torch.tensor([False, True]), 64, 32)
    one, other = two.__getitems__([0, 1])
    np.testing.assert_array_equal(one[:, ::-1], other)
    pose = two.pose(model, torch.arange(2))
    seen = drawing.Rasteriser(model).draw(model(pose)[0], pose.camera, 64, 32).any(3)
    assert (seen[0][:, ::-1] & seen[1]).sum() / (seen[0][:, ::-1] | seen[1]).sum() > 0.93


def test_the_average_is_where_the_net_begins(model: BodyModel, bodies: Pose, crops: Crops, tmp_path: Path) -> None:
    mean = mesh_net.packed(Pose(*(part[:1] for part in bodies)))[0]
    spec = mesh.EncoderSpec("timm:test_resnet", 64, 32, "avg")
    net = mesh_net.Regressor(mesh.backbones.build(spec, "none", 0), model, mean)
    found = mesh_net.regressed(net, crops)
    for part, wanted in zip(found, bodies._replace(shape=3 * torch.tanh(bodies.shape / 3))):
        torch.testing.assert_close(part, wanted[:1].expand_as(part), atol=1e-5, rtol=1e-5)
    net.save(tmp_path / "net.safetensors")
    again = mesh_net.regressed(mesh_net.load(tmp_path / "net.safetensors"), crops)
    torch.testing.assert_close(again.facing, found.facing, atol=0, rtol=0)
    painter = drawing.Rasteriser(model)
    exact = mesh_figures.measured(found, found, model, painter)
    assert exact["iou"] == 1 and exact["flat"] == 0 and exact["mpjpe_mm"] == 0 and exact["pa_mpjpe_mm"] < 0.01
    aside = found._replace(camera=found.camera + torch.tensor([0, 0, 0.2, 0]))
    off = mesh_figures.measured(found, aside, model, painter)
    assert off["flat"] == pytest.approx(0.1, abs=1e-4) and off["iou"] < 0.9 and off["mpjpe_mm"] == 0


def test_attention_learns_where_keypoints_are(model: BodyModel, bodies: Pose) -> None:
    """Against a sum over cells in float64; places outside of the picture teach nothing."""
    mean = mesh_net.packed(Pose(*(part[:1] for part in bodies)))[0]
    net = mesh_net.Regressor(
        mesh.backbones.build(mesh.EncoderSpec("resnet18_half", 64, 32, "avg"), "none", 0), model, mean
    )
    draws = np.random.default_rng(0)
    places, logits = draws.uniform(-1.3, 1.3, (2, 17, 2)), draws.normal(size=(2, 17, 16 * 8))
    wanted = np.zeros((2, 17))
    for n, k in np.ndindex(2, 17):
        x, y = (places[n, k] + 1) / 2 * [8, 16]  # in cells
        if 0 < x < 8 and 0 < y < 16:
            spot = np.array(
                [np.exp(-((c + 0.5 - x) ** 2 + (r + 0.5 - y) ** 2) / (2 * 0.75**2)) for r, c in np.ndindex(16, 8)]
            )
            log_share = logits[n, k] - np.log(np.exp(logits[n, k]).sum())
            wanted[n, k] = -(spot / spot.sum() * log_share).sum()
    found = net.attended(*(torch.from_numpy(part).float() for part in (logits, places)))
    assert float(found) == pytest.approx(wanted.mean(), rel=1e-5)
    free = torch.zeros(2, 17, 16 * 8, requires_grad=True)
    at = torch.from_numpy(places).float()
    for _ in range(300):
        (slope,) = torch.autograd.grad(net.attended(free, at), free)
        free = (free - 20 * slope).detach().requires_grad_()
    seen = (free.detach().softmax(2) @ net.get_buffer("cells") - at).abs()[(at.abs() < 0.5).all(2)]
    assert float(seen.max()) < 0.1  # the share's mean is where the keypoint is, finer than a cell


def flags(runs: Path, *more: str) -> list[str]:
    kept = dict(zip(TINY[::2], TINY[1::2], strict=True))
    names = ("--height", "--width", "--backbone", "--init", "--budget", "--steps", "--batch")
    given = [word for name in names for word in (name, kept[name])]
    both = ["--capture", str(CAPTURE), "--test", str(CAPTURE), "--draw-by", "torch", "--epochs", "2"]
    return [*given, *both, "--runs", str(runs), "--data-root", str(TINY_WORLD), *more]


def test_a_run_leaves_a_net_figures_and_meshes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mesh.main(flags(tmp_path, "--predict", "tgt"))
    (folder,) = tmp_path.glob("mesh/capture/s0-*")
    result = json.loads((folder / "result.json").read_text())
    assert {*result["figures"]} == {"net", "mean"} and result["crops"] == 6
    assert result["figures"]["net"]["mpjpe_mm"] > 1
    for page in ("sheet.jpg", "tgt.jpg"):
        assert Image.open(folder / page).size[1] == 5 * 256
    meshes = Meshes.load(folder / "tgt.meshes.safetensors")
    out = capsys.readouterr().out
    assert f"meshes of {len(meshes)} crops: {folder}" in out and "keypoints from the pelvis" in out
    before = (folder / mesh.MODEL).read_bytes()
    mesh.main(flags(tmp_path))
    assert "finished earlier" in capsys.readouterr().out and (folder / mesh.MODEL).read_bytes() == before


@pytest.mark.long
def test_cut_off_it_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh.main(flags(tmp_path / "whole"))
    step, count = mesh.Meshing.step, iter(range(100))

    def cut(self: mesh.Meshing, *where: int) -> object:
        if next(count) == 4:
            raise KeyError
        return step(self, *where)

    monkeypatch.setattr(mesh.Meshing, "step", cut)
    with pytest.raises(KeyError):
        mesh.main(flags(tmp_path / "cut"))
    monkeypatch.undo()
    mesh.main(flags(tmp_path / "cut"))
    one, other = (next(tmp_path.glob(f"{name}/mesh/*/*/{mesh.MODEL}")) for name in ("whole", "cut"))
    assert one.read_bytes() == other.read_bytes()


def test_bad_input_gets_one_line(tmp_path: Path, fails: Callable[..., str]) -> None:
    assert "--capture: wanted" in fails(mesh.main, ["--runs", str(tmp_path)])
    assert "not a capture" in fails(mesh.main, ["--capture", str(tmp_path), "--runs", str(tmp_path)])
    alone = [word for word in flags(tmp_path) if word not in ("--test",)]
    alone.remove(str(CAPTURE))
    assert "fewer than ten people" in fails(mesh.main, alone)
    (tmp_path / "x.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="safetensors"):
        mesh_net.load(tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="no meshes of train.mesh"):
        Meshes.load(save_nothing(tmp_path / "y.safetensors"))


def save_nothing(path: Path) -> Path:
    mesh_net.checkpoint.save_weights(path, {"a": torch.zeros(1)})
    return path


@pytest.mark.long
def test_it_learns(tmp_path: Path) -> None:
    """From six shots it can tell these six apart: far below the average's error on what it has seen."""
    more = [
        "--epochs",
        "30",
        "--steps",
        "8",
        "--lr",
        "3e-3",
        "--pad",
        "0.02",
        "--cut",
        "0",
        "--erase",
        "0",
        "--jitter",
        "0",
    ]
    mesh.main(flags(tmp_path, *more, "--blur", "0"))
    (result,) = (json.loads(path.read_text()) for path in tmp_path.glob("mesh/*/*/result.json"))
    net, mean = result["figures"]["net"], result["figures"]["mean"]
    assert net["mpjpe_mm"] < 0.6 * mean["mpjpe_mm"] and net["flat"] < 0.6 * mean["flat"]
