"""How good a mesh regressor is: figures beside the truth, and a sheet to look at."""

from collections import defaultdict

import numpy as np
import torch
from PIL import Image

from datasets.pictures import encode
from train.parts.body import BodyModel, Pose, aligned, projected
from train.parts.data import Images, evenly
from train.parts.drawing import Painter

SHEET = 12  # pictures in a sheet


@torch.no_grad()
def measured(guess: Pose, truth: Pose, model: BodyModel, draws: Painter) -> dict[str, float]:
    """How far poses are from the truth.

    Returns:
        mpjpe_mm: mean distance of keypoints, from the pelvis' head; pa_mpjpe_mm: after they were aligned; pve_mm: of
        vertices; flat: of keypoints in the picture, whose height is 1; iou: of the silhouettes, mean.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    for first in range(0, len(guess.shape), 256):
        one, two = (Pose(*(part[first : first + 256] for part in pose)) for pose in (guess, truth))
        (skin, joints), (true_skin, true_joints) = model(one), model(two)
        off = projected(joints, one.camera) - projected(true_joints, two.camera)
        masks = [draws.draw(s, p.camera, 128, 64).any(3) for s, p in ((skin, one), (true_skin, two))]
        shared, either = ((how(*masks)).sum((1, 2)) for how in (np.logical_and, np.logical_or))
        sums["mpjpe_mm"] += 1000 * float((joints - true_joints).norm(dim=2).mean(1).sum())
        sums["pa_mpjpe_mm"] += 1000 * float((aligned(joints, true_joints) - true_joints).norm(dim=2).mean(1).sum())
        sums["pve_mm"] += 1000 * float((skin - true_skin).norm(dim=2).mean(1).sum())
        sums["flat"] += float((off / 2).norm(dim=2).mean(1).sum())
        sums["iou"] += float((shared / np.maximum(either, 1)).sum())
    return {name: value / len(guess.shape) for name, value in sums.items()}


@torch.no_grad()
def sheet(images: Images, pose: Pose, model: BodyModel, draws: Painter) -> bytes:
    """A JPEG of some pictures; below them the bodies over them, and the bodies turned by 90, 180 and 270 degrees."""
    chosen = evenly(len(images), SHEET)
    pictures, pose = images.__getitems__(chosen), Pose(*(part[chosen] for part in pose))
    size = images.height, images.width
    rows = [pictures]
    for quarter in range(4):
        turned = pose.turned(torch.full((len(chosen),), quarter * torch.pi / 2, device=pose.shape.device))
        made = draws.draw(model(turned)[0], turned.camera, *size)
        rows.append(made if quarter else np.where(made.any(3, keepdims=True), pictures // 3 + made // 3 * 2, pictures))
    page = np.concatenate([np.concatenate([*row], 1) for row in rows])
    scale = 256 / images.height
    return encode(np.asarray(Image.fromarray(page).resize([round(side * scale) for side in page.shape[1::-1]])))
