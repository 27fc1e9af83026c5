"""Packs of MakeHuman assets: outfits, shoes, hair and hats bound to the vertices of the base mesh (numpy).

A pack is a folder with `.mhclo` files (what rides on which base vertices), the `.obj` meshes and `.mhmat` materials
that they name, and pictures where there are any. An item follows every body: its vertices are weighted means of three
base vertices plus an offset, which grows with the body.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from opengspr import UserError
from synth.person.basemesh import to_metres
from synth.person.pieces import template

BASE, COUNT = "hm08", 19158  # the base mesh and its vertices
KINDS = {"hair": r"\bhair", "shoes": r"\b(shoe|boot|sandal|sneaker)s?\d*\b", "hat": r"\b(hats?|cap|fedora)\b"}
NO_CLOTHES = re.compile(r"\b(eyes?|eyebrow|eyelash|teeth|tongue|skins?|proxymesh|targets?|poses?)")


@dataclass(frozen=True, eq=False)
class Asset:
    """An item of N vertices and F triangles.

    Attributes:
        kind: suit, shoes, hair or hat. sex: male, female or None, whose it is.
        anchors, shares: (N, 3) base vertices and their weights. offsets: (N, 3) metres, as recorded.
        scales: for each axis two base vertices, and metres between them along it as the offsets were recorded.
        faces: (F, 3). uv: (F, 3, 2). hidden: (19158,) base vertices of skin that it hides. texture: a picture or None.
    """

    name: str
    kind: str
    sex: str | None
    anchors: np.ndarray
    shares: np.ndarray
    offsets: np.ndarray
    scales: tuple[tuple[int, int, float], ...]
    faces: np.ndarray
    uv: np.ndarray
    hidden: np.ndarray
    texture: Path | None

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values (19158, C) of the base vertices, carried over to the item's (N, C)."""
        return np.einsum("nk,nkc->nc", self.shares, values[self.anchors])

    def on(self, body: np.ndarray) -> np.ndarray:
        """Its vertices (N, 3) on a shaped body (19158, 3), metres."""
        grown = [abs(body[a, k] - body[b, k]) / apart for k, (a, b, apart) in enumerate(self.scales)]
        return self.of(body) + self.offsets * grown


Pack = Mapping[str, Asset]
NO_PACK: Pack = {}


@lru_cache(maxsize=4)
def read_pack(folder: Path) -> dict[str, Asset]:
    """The items of a pack by name, in the order of their names.

    Raises:
        UserError: no pack, or a file of it is not what it should be.
    """
    if not folder.is_dir():
        raise UserError(f"--assets {folder}: not a folder")
    found: dict[str, Asset] = {}
    for path in sorted(folder.rglob("*.mhclo"), key=lambda path: (path.stem, path)):
        if path.stem in found:
            raise UserError(f"{path}: the pack has two items of this name")
        if (asset := _read(path, folder)) is not None:
            found[path.stem] = asset
    if not found:
        raise UserError(f"--assets {folder}: no outfits, shoes, hair or hats (.mhclo) in it")
    return found


def _read(path: Path, pack: Path) -> Asset | None:
    """One item, or None where it is nothing to wear, or too little to be all that somebody wears."""
    lines = _lines(path)
    heads = {words[0]: words[1:] for words in lines if len(words) > 1 and words[0][0].isalpha()}
    tags = [word for words in lines if words[0] == "tag" for word in words[1:]]
    about = " ".join([*path.relative_to(pack).parts, *tags]).lower().replace("_", " ")
    if NO_CLOTHES.search(about):
        return None
    if heads.get("basemesh", [BASE]) != [BASE]:
        raise UserError(f"{path}: made for the base mesh {heads['basemesh'][0]!r}, wanted {BASE}")
    for name in ("obj_file", "x_scale", "y_scale", "z_scale", "verts"):
        if name not in heads:
            raise UserError(f"{path}: no line {name!r}")
    anchors, shares, offsets = _bindings(path, lines)
    mesh = _beside(path, " ".join(heads["obj_file"]), pack)
    count, faces, uv = _mesh(mesh)
    if count != len(anchors):
        raise UserError(f"{path}: {len(anchors)} vertices, but {count} in {mesh.name}")
    kind, sex = _kind(about, anchors, shares), re.search(r"\b(female|male)", about)
    if kind is None:
        return None
    scales, hidden, texture = _scales(path, heads), _hidden(path, lines), _texture(path, heads.get("material"), pack)
    return Asset(path.stem, kind, sex and sex[1], anchors, shares, offsets, scales, faces, uv, hidden, texture)


def _kind(about: str, anchors: np.ndarray, shares: np.ndarray) -> str | None:
    for kind, words in KINDS.items():
        if re.search(words, about):
            return kind
    height = (shares * template()[0][anchors, 2]).sum(1)  # nobody goes out in a shirt alone
    levels = np.histogram(height, [0.75, 0.80, 0.85, 0.90, 0.95, 1.15, 1.25, 1.35])[0]  # it may leave the belly bare
    return "suit" if np.delete(levels, 4).all() else None


def _lines(path: Path) -> list[list[str]]:
    """The words of each line of a file, without empty lines and comments."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return [words for line in text.splitlines() if (words := line.split()) and not words[0].startswith("#")]


def _beside(path: Path, name: str, pack: Path) -> Path:
    """A file that another one names; nothing outside the pack is read."""
    wanted = path.parent / name
    if not wanted.resolve().is_relative_to(pack.resolve()):
        raise UserError(f"{path}: {name} lies outside the pack")
    return wanted


def _numbers(path: Path, words: list[str], kind: type) -> list:
    try:
        numbers = [kind(word) for word in words]
        if all(map(math.isfinite, numbers)):
            return numbers
    except (ValueError, OverflowError):
        pass
    raise UserError(f"{path}: got {' '.join(words)[:60]!r}, wanted numbers")


def _base_vertices(path: Path, numbers: np.ndarray | list) -> np.ndarray:
    out = np.asarray(numbers)
    for wrong in out[(out < 0) | (out >= COUNT)][:1]:
        raise UserError(f"{path}: vertex {wrong:.0f} is none of the base mesh's {COUNT}")
    return out.astype(int)


def _bindings(path: Path, lines: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = []
    start = next(k for k, words in enumerate(lines) if words[0] == "verts") + 1
    for words in lines[start:]:
        if words[0] == "delete_verts":
            break
        if words[0][0].isalpha():  # a material may be named here
            continue
        if len(words) not in (1, 9):
            raise UserError(f"{path}: got {' '.join(words)[:60]!r}, wanted one base vertex, or three and six numbers")
        row = _numbers(path, words, float)
        rows.append(row if len(row) == 9 else [row[0]] * 3 + [1.0] + [0.0] * 5)
    table = np.array(rows).reshape(-1, 9)
    return _base_vertices(path, table[:, :3]), table[:, 3:6], to_metres(table[:, 6:])


def _scales(path: Path, heads: dict[str, list[str]]) -> tuple[tuple[int, int, float], ...]:
    out = []
    for axis in "xzy":  # its z is our y
        a, b, apart = (_numbers(path, heads[f"{axis}_scale"], float) + [0.0] * 3)[:3]
        if not apart > 0:
            raise UserError(f"{path}: {axis}_scale {' '.join(heads[f'{axis}_scale'])!r}, wanted a distance above 0")
        out.append((*_base_vertices(path, [a, b]).tolist(), apart * 0.1))
    return tuple(out)


def _hidden(path: Path, lines: list[list[str]]) -> np.ndarray:
    """The base vertices (19158,) after `delete_verts`: numbers, and ranges `a - b`."""
    mask = np.zeros(COUNT, bool)
    start = next((k for k, words in enumerate(lines) if words[0] == "delete_verts"), len(lines))
    words = [word for line in lines[start + 1 :] if not line[0][0].isalpha() for word in line]
    for first, last in re.findall(r"(\d+)(?: - (\d+))?", " ".join(words)):
        a, b = _base_vertices(path, _numbers(path, [first, last or first], int))
        mask[a : b + 1] = True
    return mask


def _mesh(path: Path) -> tuple[int, np.ndarray, np.ndarray]:
    """The number of vertices of a mesh, its triangles (F, 3) and their corners in the picture (F, 3, 2)."""
    lines = _lines(path)
    count = sum(words[0] == "v" for words in lines)
    vt = [_numbers(path, words[1:3], float) for words in lines if words[0] == "vt"]
    flat = np.array(vt or [[0.0, 0.0]]).reshape(-1, 2)
    corners = []
    for words in lines:
        if words[0] == "f":
            pairs = [_numbers(path, [*word.split("/")[: 2 if vt else 1], "1"][:2], int) for word in words[1:]]
            corners += [(pairs[0], pairs[k], pairs[k + 1]) for k in range(1, len(pairs) - 1)]
    table = np.array(corners).reshape(-1, 3, 2) - 1
    if not len(table) or table.min() < 0 or (table.max((0, 1)) >= [count, len(flat)]).any():
        raise UserError(f"{path}: no faces, or corners that it does not have")
    uv = flat[table[..., 1]]
    return count, table[..., 0], uv - np.floor(uv.mean(1, keepdims=True))


def _texture(path: Path, material: list[str] | None, pack: Path) -> Path | None:
    """The picture of an item's colours, where the pack has it."""
    where = _beside(path, " ".join(material), pack) if material else path
    lines = _lines(where) if where.is_file() else []
    named = [" ".join(words[1:]) for words in lines if words[0] == "diffuseTexture"]
    picture = _beside(where, named[0], pack) if named else None
    if picture is None or not picture.is_file():
        return None
    try:
        with Image.open(picture) as opened:
            opened.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{picture}: not a picture: {error}") from None
    return picture
