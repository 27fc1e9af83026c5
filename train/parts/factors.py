"""How well queries are answered by what is known of them: view, weather, hour, size, who it is, which cameras."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from datasets.manifest import Crops
from opengspr import UserError
from train.parts.retrieval import Labels, Retrieval, evaluate

Groups = dict[str, tuple[float, float, int]]  # name of a group -> mAP and Rank-1 in per cent, number of queries
BINS: Mapping[str, tuple[str, dict[str, float]]] = {  # name of a factor: column, and where each of its bins begins
    "hour": ("hour", {"0 to 6": 0, "6 to 10": 6, "10 to 14": 10, "14 to 18": 14, "18 to 22": 18, "22 to 24": 22}),
    "height, pixels": ("height", {"below 96": 0, "96 to 160": 96, "160 to 256": 160, "from 256": 256}),
    "visible share": ("visible_share", {"below 0.6": 0, "0.6 to 0.8": 0.6, "0.8 to 0.95": 0.8, "from 0.95": 0.95}),
    "skin tone (Monk scale)": ("skin_tone", {"1 to 3": 1, "4 to 6": 4, "7 to 10": 7}),
}
NAMED = {"weather": "weather", "sex": "sex", "age group": "age_group", "camera": "camid", "action": "action"}
VIEWS = ("front", "left", "back", "right")  # quarters round the person; the front is seen from azimuths of -45 to 45


def by_factor(found: Retrieval, query: Crops) -> dict[str, Groups]:
    """Figures of the queries by each factor that divides them; those of whom it is not known are left out.

    Args:
        found: of these queries.
        query: their crops.
    """
    view = query.column("azimuth_deg").astype(float)
    quarter = (((view + 45) % 360) // 90).astype(int)
    kinds = {"view": np.where(view < 0, "", np.array(VIEWS)[quarter])}
    for name, column in NAMED.items():
        kinds[name] = np.array([str(value) for value in query.column(column)])
    order: dict[str, list[str]] = {}
    for name, (column, bins) in BINS.items():
        values, order[name] = query.column(column).astype(float), [*bins]
        place = np.searchsorted([*bins.values()], values, "right") - 1
        kinds[name] = np.where(values < 0, "", np.array(order[name])[np.maximum(place, 0)])
    tables = {name: _groups(found, kind, order.get(name)) for name, kind in kinds.items()}
    return {name: groups for name, groups in tables.items() if len(groups) > 1}


def _groups(found: Retrieval, kind: np.ndarray, order: Sequence[str] | None = None) -> Groups:
    """Figures of each kind of queries; "" is not known."""
    groups: Groups = {}
    there = np.unique(kind[(kind != "") & (found.rank > 0)]).tolist()
    for one in there if order is None else [one for one in order if one in there]:
        part = Retrieval(found.precision[kind == one], found.rank[kind == one])
        groups[one] = part.figures["mAP"], part.figures["rank1"], int((part.rank > 0).sum())
    return groups


def by_camera_pair(features: tuple[Tensor, Tensor], of_query: Labels, of_gallery: Labels) -> Groups:
    """Figures of each camera's queries in each other camera's gallery, `2 -> 0` and so on."""
    query, gallery = features
    groups: Groups = {}
    for theirs in np.unique(of_gallery.camid).tolist():
        there = np.flatnonzero(of_gallery.camid == theirs)
        part = Labels(of_gallery.pid[there], of_gallery.camid[there])
        try:
            found = evaluate(query, _rows(gallery, there), of_query, part)
        except UserError:  # nobody is in this camera and in another
            continue
        for own, figures in _groups(found, of_query.camid.astype(str)).items():
            groups[f"{own} -> {theirs}"] = figures
    return dict(sorted(groups.items()))


def _rows(features: Tensor, rows: np.ndarray) -> Tensor:
    return features[rows.tolist()]


def told(tables: Mapping[str, Groups]) -> str:
    """The tables as lines of text."""
    width = max((len(group) for groups in tables.values() for group in groups), default=0)
    lines = []
    for name, groups in tables.items():
        lines += ["", f"{name:{width}}     mAP   rank1  queries"]
        for group, (mean, first, count) in groups.items():
            lines.append(f"{group:{width}}  {mean:6.1f}  {first:6.1f}  {count:7,}")
    return "\n".join(lines)
