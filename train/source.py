"""Supervised training on a labelled source, and direct transfer: what every adaptation begins from and must beat.

    python -m train.source --src market --tgt duke
    python -m train.source --syn gspr --src market --tgt duke

Cross-entropy and triplet loss on the source's identities (with `--syn` on synthetic people translated into its style,
too), then the figures on the target, of which no picture was seen. Only source pictures pass through the batch norms;
public code of MMT and ABMT passes target pictures through them as well and calls it direct transfer.

What papers print for it lies between 20.8 and 35.6 mAP from Duke to Market, by backbone and tricks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from train.parts import adaptation, preparation
from train.parts.preparation import Job


@dataclass(frozen=True, kw_only=True)
class Source(preparation.Adaptation):
    """Trains on a labelled source and scores the target as it is."""


ABLATIONS: dict[str, dict[str, Any]] = {"w/o syn": {"syn": None}, "syn alone": {"pretrain_on": "synthetic"}}


def work(chosen: Source) -> None:
    """A whole run."""
    adaptation.adapt(Job.of(chosen), adaptation.Recipe("source", "Direct transfer", {}, "direct transfer", "", None))


def main(args: Sequence[str] | None = None) -> None:
    """The command."""
    preparation.start(Source, preparation.SMALL, ABLATIONS, work, args)


if __name__ == "__main__":
    main()
