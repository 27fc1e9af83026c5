"""Mask R-CNN for people (He et al., ICCV 2017), torchvision's: a light one for processors, and with ResNet-50.

    Detector.load("default", "cpu")([picture], [])

The light one stands on ResNet-10-T (timm) with a feature pyramid of 64 channels; one class needs no more.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.transforms.functional import resize

from labeler.detection import Box, Detection, inside
from opengspr.checkpoint import fit, read_weights
from opengspr.command import UserError

DEFAULT = Path(__file__).parent / "weights" / "light.safetensors"
MODELS = ("light", "r50")
CHANNELS, HIDDEN = 64, 256
LEVELS = ["0", "1", "2", "3"]  # strides 4 to 32; the pyramid adds one of stride 64
SIZES = tuple((16 * 2**k, 16 * 2 ** (k + 0.5)) for k in range(5))  # square roots of the anchors' areas, pixels
RATIOS = (1.6, 2.6, 4.0)  # height over width
PERSON = 1  # among the classes, as in COCO
WHOLE, NEAR = 960, 256  # longest side of what the model sees of a whole frame, and of a region round one person
PUBLISHED_NEAR = 512  # the same of a region for the published weights, which have learnt larger people
LOOSE = 0.75  # overlap of boxes from which the model itself takes two for one; `rules` decides about the rest
CUT = 0.5  # of a mask's probability


class Trunk(nn.Module):
    """A feature pyramid: picture (B, 3, H, W) -> {"0" .. "3", "pool"}: (B, CHANNELS, H / stride, W / stride)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = timm.create_model("resnet10t", features_only=True, out_indices=(1, 2, 3, 4))
        channels = [info["num_chs"] for info in self.body.feature_info.get_dicts()]  # type: ignore[union-attr, operator]  # timm's models are typed as bare modules
        self.pyramid = FeaturePyramidNetwork(channels, CHANNELS, LastLevelMaxPool())
        self.out_channels = CHANNELS

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.pyramid(OrderedDict(zip(LEVELS, self.body(x))))


class AsTheyAre(GeneralizedRCNNTransform):
    """Pictures keep their size: torchvision's own makes each 800 pixels large, and skips that in training only."""

    def __init__(self) -> None:
        super().__init__(0, 0, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple:
        return image, target


def build(kind: str) -> MaskRCNN:
    """A model that has learnt nothing. Args: kind: light or r50."""
    if kind == "r50":
        resnet = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2, box_detections_per_img=50)
        resnet.transform = AsTheyAre()
        return resnet
    assert kind == "light", kind
    model = MaskRCNN(
        Trunk(),
        rpn_anchor_generator=AnchorGenerator(SIZES, (RATIOS,) * len(SIZES)),
        rpn_pre_nms_top_n_train=300,
        rpn_post_nms_top_n_train=120,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=120,
        rpn_batch_size_per_image=128,
        box_roi_pool=MultiScaleRoIAlign(LEVELS, 7, 2),
        box_head=TwoMLPHead(CHANNELS * 49, HIDDEN),
        box_predictor=FastRCNNPredictor(HIDDEN, 2),
        box_batch_size_per_image=96,  # nearly all the proposals
        box_detections_per_img=50,
        mask_roi_pool=MultiScaleRoIAlign(LEVELS, 14, 2),
        mask_head=MaskRCNNHeads(CHANNELS, (CHANNELS,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(CHANNELS, CHANNELS, 2),
    )
    model.transform = AsTheyAre()
    return model


def weights_file(weights: str) -> Path:
    """The file that a name of weights stands for.

    Raises:
        UserError: there are none of that name, or they cannot be fetched.
    """
    if weights == "default":
        return DEFAULT
    if weights != "coco":
        if not Path(weights).is_file():
            raise UserError(f"{weights}: no such file of weights; wanted default, coco or what labeler.train wrote")
        return Path(weights)
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights as Published

    try:
        Published.COCO_V1.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"--weights coco: the published weights cannot be fetched: {error}; --weights default"
        ) from error
    return Path(torch.hub.get_dir()) / "checkpoints" / Published.COCO_V1.url.rpartition("/")[2]


def read_model(path: Path, wanted: str | None = None) -> MaskRCNN:
    """The model of a file that `labeler.train` wrote.

    Args:
        wanted: which of MODELS it must be; any where it is None.

    Raises:
        UserError: not such a file, or weights that do not fit, which are listed.
    """
    tensors, notes = read_weights(path)
    kind = notes.get("model")
    if kind not in MODELS:
        raise UserError(
            f"{path}: weights of the model {kind!r}, wanted {' or '.join(MODELS)}: labeler.train writes them"
        )
    if wanted not in (None, kind):
        raise UserError(f"{path}: weights of the model {kind}, wanted {wanted}: --model {kind}")
    model = build(kind)
    fit(model, tensors, path)
    return model


class Detector:
    """The backend `torchvision`."""

    def __init__(self, model: MaskRCNN, device: str = "cpu", longest: int | None = WHOLE) -> None:
        """Args: longest: longer sides are shrunk to so many pixels; None leaves all sizes to the model."""
        self.model, self.device, self.longest = model.to(device).eval(), device, longest
        model.roi_heads.nms_thresh = LOOSE

    @classmethod
    def load(cls, weights: str, device: str, near: bool = False) -> "Detector":
        """Args: weights: default, coco or a file. near: for regions round one person."""
        path = weights_file(weights)
        if weights != "coco":
            return cls(read_model(path), device, NEAR if near else WHOLE)
        from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

        model = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
        fit(model, read_weights(path)[0], path)
        if not near:
            return cls(model, device, None)  # it makes pictures as large as it has learnt them
        model.transform = AsTheyAre()
        return cls(model, device, PUBLISHED_NEAR)

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray] = ()) -> list[list[Detection]]:
        """As `detection.Backend`; boxes and masks are those of the given pictures, whatever size the model sees."""
        del truths
        model = self.model
        images, _ = model.transform([_tensor(picture, self.longest).to(self.device) for picture in pictures])
        features = model.backbone(images.tensors)
        proposals, _ = model.rpn(images, features)
        results, _ = model.roi_heads(features, proposals, images.image_sizes)
        return [
            _detections(result, seen, picture.shape[:2])
            for result, seen, picture in zip(results, images.image_sizes, pictures)
        ]


def _tensor(picture: np.ndarray, longest: int | None) -> Tensor:
    """(3, H, W) float32 from 0 to 1, no side longer than `longest`."""
    tensor = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
    height, width = picture.shape[:2]
    factor = 1 if longest is None else longest / max(height, width)
    if factor >= 1:
        return tensor
    return resize(tensor, [max(1, round(height * factor)), max(1, round(width * factor))], antialias=True)


def _detections(result: dict[str, Tensor], seen: Sequence[int], size: tuple[int, ...]) -> list[Detection]:
    """What the model found in a picture of this size (height, width), of which it saw one of another.

    Args:
        result: boxes (N, 4) in what was seen, scores (N,), labels (N,), masks (N, 1, M, M) probabilities in the boxes.
    """
    people = result["labels"] == PERSON
    boxes, scores, masks = (result[name][people].cpu() for name in ("boxes", "scores", "masks"))
    boxes = boxes * torch.tensor([size[1] / seen[1], size[0] / seen[0]] * 2)
    found = []
    for exact, score, mask in zip(boxes, scores.tolist(), masks[:, 0]):
        box = inside(exact.round().int().tolist(), size)
        cut = _spread(mask, exact, box)
        if cut.any():
            found.append(Detection(box, score, cut))
    return found


def _spread(mask: Tensor, exact: Tensor, box: Box) -> np.ndarray:
    """A mask of probabilities (M, M) over a box with fractions of pixels, cut at a half, in a box of whole pixels."""
    (left, top, right, bottom), (x0, y0, x1, y1) = exact.tolist(), box
    across = (torch.arange(x0, x1) + 0.5 - left) / max(right - left, 1e-3) * 2 - 1
    down = (torch.arange(y0, y1) + 0.5 - top) / max(bottom - top, 1e-3) * 2 - 1
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)
    spread = nn.functional.grid_sample(mask[None, None].float(), grid[None], align_corners=False)
    return (spread[0, 0] > CUT).numpy()
