"""The backend `detectron2`: a model of that package's zoo, by its own name, where the package is installed."""

import importlib.util
from collections.abc import Sequence

import numpy as np
import torch

from labeler.detection import Detection, inside
from opengspr.command import UserError

DEFAULT = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"
PERSON = 0  # among its classes


def config(weights: str) -> str:
    """The zoo's name of the model that is meant.

    Raises:
        UserError: detectron2 is not installed, or its zoo has no such model.
    """
    if importlib.util.find_spec("detectron2") is None:
        raise UserError(
            "--backend detectron2: the package is not installed here; it is built from its sources, as its own "
            "documentation says (Installation); or --backend torchvision, the same kind of model"
        )
    from detectron2 import model_zoo

    name = DEFAULT if weights in ("default", "coco") else weights
    try:
        model_zoo.get_config_file(name)
    except (RuntimeError, OSError) as error:
        raise UserError(f"--weights {weights}: not a model of detectron2's zoo, such as {DEFAULT}") from error
    return name


class Detectron:
    """Args: name: of `config`. device: cpu or cuda."""

    def __init__(self, name: str, device: str) -> None:
        from detectron2 import model_zoo
        from detectron2.checkpoint import DetectionCheckpointer
        from detectron2.config import get_cfg
        from detectron2.data.transforms import ResizeShortestEdge
        from detectron2.modeling import build_model

        settings = get_cfg()
        settings.merge_from_file(model_zoo.get_config_file(name))
        settings.MODEL.DEVICE = device
        self.model = build_model(settings).eval()
        DetectionCheckpointer(self.model).load(model_zoo.get_checkpoint_url(name))
        self.bgr = settings.INPUT.FORMAT == "BGR"
        shortest = settings.INPUT.MIN_SIZE_TEST
        self.resize = ResizeShortestEdge([shortest, shortest], settings.INPUT.MAX_SIZE_TEST)

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray] = ()) -> list[list[Detection]]:
        """As `detection.Backend`."""
        del truths
        results = self.model([self._input(picture) for picture in pictures])
        return [_detections(result["instances"].to("cpu")) for result in results]

    def _input(self, picture: np.ndarray) -> dict:
        image = picture[..., ::-1] if self.bgr else picture
        seen = self.resize.get_transform(image).apply_image(image)
        tensor = torch.as_tensor(np.ascontiguousarray(seen.transpose(2, 0, 1).astype(np.float32)))
        return {"image": tensor, "height": picture.shape[0], "width": picture.shape[1]}


def _detections(found) -> list[Detection]:
    found = found[found.pred_classes == PERSON]
    boxes, masks = found.pred_boxes.tensor.round().int().tolist(), found.pred_masks.numpy()
    return [
        Detection(whole, score, mask[whole[1] : whole[3], whole[0] : whole[2]])
        for box, score, mask in zip(boxes, found.scores.tolist(), masks)
        if mask.any()
        for whole in [inside(box, mask.shape)]
    ]
