"""What people may be made of besides our own bodies and clothes: the user's asset pack, the user's SMPL-X files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opengspr import UserError
from synth.person.assets import NO_PACK, Pack, read_pack
from synth.person.body import shape_of, shape_vertices
from synth.person.smplx_bodies import read_bodies

BODIES = {"anny": "CC-BY-4.0", "smplx": "LicenseRef-SMPL-X-non-commercial"}  # and what renders of them may be used for
OF_THE_PACK = "LicenseRef-asset-pack"  # which only its owner knows


@dataclass(frozen=True)
class Tiers:
    """Folders of the user's own.

    Attributes: assets: an asset pack. smplx: SMPL-X model files.
    """

    assets: Path | None = None
    smplx: Path | None = None

    @property
    def pack(self) -> Pack:
        return read_pack(self.assets) if self.assets else NO_PACK

    def body(self, look: dict) -> np.ndarray:
        """Vertices (19158, 3) of a look's unposed body with its helpers, metres.

        Raises:
            UserError: the files are missing, or not what they should be.
        """
        if "betas" not in look:
            return shape_vertices(shape_of(look))
        if self.smplx is None:
            raise UserError("these people have SMPL-X bodies: name your files with --body smplx --body-dir DIR")
        return read_bodies(self.smplx)[look["sex"]].vertices(np.array(look["betas"]), look["shape"]["height_m"])

    def read(self) -> None:
        """Reads what there is. Raises UserError for what cannot be used."""
        if self.assets:
            read_pack(self.assets)
        if self.smplx:
            read_bodies(self.smplx)

    def record(self) -> dict[str, Any]:
        """What a capture says of them."""
        return {
            "assets": _folder(self.assets) if self.assets else None,
            "body": "smplx" if self.smplx else "anny",
            "smplx": _folder(self.smplx) if self.smplx else None,
            "licence": OF_THE_PACK if self.assets and not self.smplx else BODIES["smplx" if self.smplx else "anny"],
        }


OURS = Tiers()


def chosen_tiers(assets: Path | None, body: str, body_dir: Path | None) -> Tiers:
    """The tiers of the flags --assets, --body and --body-dir. Raises UserError for flags that do not fit."""
    if body not in BODIES:
        raise UserError(f"--body: got {body!r}, wanted one of {', '.join(BODIES)}")
    if (body == "smplx") != (body_dir is not None):
        raise UserError("--body smplx and --body-dir DIR go together")
    tiers = Tiers(assets and assets.resolve(), body_dir and body_dir.resolve())
    tiers.read()
    return tiers


def _folder(folder: Path) -> dict[str, str]:
    """A folder's name, and the SHA-256 of its files' names and sizes."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    lines = "".join(f"{name} {path.stat().st_size}\n" for name, path in files)
    return {"name": folder.resolve().name, "sha256": hashlib.sha256(lines.encode()).hexdigest()}
