"""Settings of translators, and translations of datasets: each is made once, in runs/stages, for all that want it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datasets.manifest import Dataset
from datasets.unlabelled import unlabelled
from opengspr import checkpoint, ranks
from train.parts import run, settings, translation
from train.parts.data import Images, Labelled, labelled
from train.parts.learning import Machine


@dataclass(frozen=True, kw_only=True)
class Translating(settings.Common):
    """Flags of all that goes from a labelled source to a target."""

    src: str = ""
    """Labelled source dataset: a name or a path."""
    tgt: str = ""
    """Target dataset, whose training identities are never used."""
    backbone: str = "resnet50"
    """resnet18_half, resnet18, ibn_resnet18, resnet50, ibn_resnet50, mobilenetv3_small_050, timm:NAME; of eSPGAN's
    embedding, too."""
    height: int = 256
    width: int = 128
    amp: Literal["auto", "bf16", "off"] = "auto"
    """Arithmetic of the nets: bf16, float32 (off), or by the device: bf16 on GPUs that have it."""
    translator: Literal["espgan", "spgan", "cyclegan"] = "espgan"
    gan_epochs: int = 30
    gan_steps: int = 400
    gan_batch: int = 4
    gan_lr: float = 2e-4
    gan_cycle: float = 10.0
    """mu_1 of eq. 2: the weight of cycle consistency."""
    gan_identity: float = 5.0
    """mu_2 of eq. 2: how strongly pictures of the other domain are to stay as they are."""
    gan_width: int = 64
    gan_blocks: int = 9
    gan_light: bool = False
    """For CPUs: generators that predict maps of light, colour and sharpness at a quarter of the size, not pictures."""

    @property
    def machine(self) -> Machine:
        """What all of it runs on."""
        return Machine.of(run.choose_device(self.device), self.amp)


SMALL: dict[str, Any] = {  # what the small budget changes here
    "backbone": "mobilenetv3_small_050", "height": 128, "width": 64, "gan_epochs": 6, "gan_steps": 50, "gan_batch": 8,
    "gan_lr": 1e-3, "gan_cycle": 5.0, "gan_identity": 1.0, "gan_width": 8, "gan_blocks": 2, "gan_light": True,
}  # fmt: skip


class Translated(NamedTuple):
    """Training crops before and after, in the same order; those whose style they took; and the stage's folder."""

    before: Labelled
    after: Labelled
    other: Images
    folder: Path


def generator_back(chosen: Translating, folder: Path) -> tuple[str, Mapping[str, Any]]:
    """The generator from the other domain to the translated one: its form (see `recurrent.Recurrent`), its weights.

    Args:
        chosen: the translation's settings. folder: of its stage.
    """
    (path,) = folder.glob("*.state.pt")
    state = checkpoint.load_state(path)
    assert state, path
    weights = {name: value for name, value in state["stage"]["nets"].items() if name.startswith("back.")}
    form = f"{chosen.gan_width}x{chosen.gan_blocks}{'-light' if chosen.gan_light else ''}"
    return form, {name.removeprefix("back."): value for name, value in weights.items()}


def translate(chosen: Translating, own: Dataset, other: Dataset, machine: Machine) -> Translated:
    """Training crops of `own` in the style of `other`, of which no identity is looked at."""
    height, width = chosen.height, chosen.width
    labels = labelled(own.split("train"), height, width)
    style = Images(unlabelled(other.split("train")), height, width)
    spec = translation.TranslationSpec(
        chosen.translator, chosen.gan_epochs, chosen.gan_steps, chosen.gan_batch, chosen.gan_lr, chosen.gan_cycle,
        chosen.gan_identity, width=chosen.gan_width, blocks=chosen.gan_blocks, light=chosen.gan_light,
        embedding=chosen.backbone,
    )  # fmt: skip
    contents = asdict(spec) | {"seed": chosen.seed, "size": [height, width], "amp": chosen.amp}
    contents["data"] = [own.fingerprint, other.fingerprint]
    name = f"translate-{own.name}-to-{other.name}"

    def build(folder: Path) -> Mapping[str, Any]:
        def make() -> Mapping[str, Any]:
            stage = translation.Translation(name, spec, labels, style, chosen.seed, machine)
            return translation.build(folder, stage, chosen.watched)

        return ranks.by_first(make)

    folder = run.shared_stage(chosen.runs, name, contents, machine.device, build)
    return Translated(labels, replace(labels, images=translation.read_pictures(folder)), style, folder)
