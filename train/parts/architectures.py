"""Nets up to their last map by their names: our ResNets and timm's models, and their weights of ImageNet."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from opengspr import UserError
from train.parts.resnet import ResNet

RESNETS: dict[str, Callable[[], ResNet]] = {
    "resnet18_half": partial(ResNet, (2, 2, 2, 2), 1, False, first=32),
    "resnet18": partial(ResNet, (2, 2, 2, 2), 1, False),
    "ibn_resnet18": partial(ResNet, (2, 2, 2, 2), 1, True),
    "resnet50": partial(ResNet, (3, 4, 6, 3), 4, False),
    "ibn_resnet50": partial(ResNet, (3, 4, 6, 3), 4, True),
}
IBN_RELEASE = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0"  # of IBN's authors, MIT licence
IBN_WEIGHTS = {"ibn_resnet18": "resnet18_ibn_a-2f571257.pth", "ibn_resnet50": "resnet50_ibn_a-d9d0bb7b.pth"}
NAMES = (*RESNETS, "mobilenetv3_small_050", "timm:NAME")


def body(name: str, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """A net up to its last map, and how many channels that has.

    Args:
        name: one of `NAMES`.
        size: height and width of its pictures.

    Raises:
        UserError: there is no such net, or it does not work so.
    """
    if name in RESNETS:
        resnet = RESNETS[name]()
        return resnet, resnet.channels
    if name != "mobilenetv3_small_050" and not name.startswith("timm:"):
        raise UserError(f"--backbone {name}: wanted one of {', '.join(NAMES)}")
    return _timm(name, size, pretrained=False)


def _timm(name: str, size: tuple[int, int], pretrained: bool) -> tuple[nn.Module, int]:
    """A timm model without its head, for the input's size; its last stride of 2, if there is one, set to 1."""
    import timm  # takes seconds, and only these backbones need it

    name = name.removeprefix("timm:")
    if name not in timm.list_models():
        raise UserError(f"--backbone timm:{name}: timm {timm.__version__} has no such model")
    given: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0, "global_pool": ""}
    try:
        model = timm.create_model(name, img_size=size, **given)  # transformers have an embedding for each place
    except TypeError:
        model = timm.create_model(name, **given)
    net, picture = _Features(model).eval(), torch.zeros(1, 3, *size)
    _keep_last_stride_at_one(net, picture)
    with torch.no_grad():
        try:
            shape = net(picture).shape
        except (AssertionError, RuntimeError) as error:
            why = f"takes no pictures of {size[0]} x {size[1]} ({str(error).splitlines()[0]})"
            raise UserError(f"--backbone timm:{name}: {why}") from error
    if len(shape) != 4:
        raise UserError(f"--backbone timm:{name}: gives no map (B, C, H, W) but a tensor of {len(shape)} dimensions")
    return net.train(), shape[1]


@torch.no_grad()
def _keep_last_stride_at_one(body: nn.Module, picture: Tensor) -> None:
    """Sets the strides of 2 that work on the smallest maps to 1; a body that cannot work so keeps them."""
    heights: dict[nn.Conv2d, int] = {}
    strided = [module for module in body.modules() if isinstance(module, nn.Conv2d) and module.stride == (2, 2)]
    hooks = [
        one.register_forward_pre_hook(lambda module, x: heights.update({module: x[0].shape[2]})) for one in strided
    ]
    if not strided:
        return
    body(picture)
    for hook in hooks:
        hook.remove()
    last = [module for module in heights if heights[module] == min(heights.values())]
    for stride in ((1, 1), (2, 2)):
        for module in last:
            module.stride = stride
        try:
            body(picture)
            return
        except RuntimeError:  # a shortcut that halves its map in some other way no longer fits
            continue


class _Features(nn.Module):
    """A timm model up to its last map; a transformer's tokens are put where they lie in the picture."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        heads = ["head", "classifier", "fc"]  # parameters that never get a gradient
        if not hasattr(model, "bn2"):  # EfficientNet's conv_head is before the pooling, MobileNetV3's after it
            heads += ["conv_head", "norm_head", "act2"]
        for head in heads:
            if hasattr(model, head):
                setattr(model, head, nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model.forward_features(x)
        if found.ndim == 3 and hasattr(self.model, "patch_embed"):
            tokens = found[:, getattr(self.model, "num_prefix_tokens", 0) :]
            return tokens.transpose(1, 2).unflatten(2, self.model.patch_embed.grid_size)
        if found.ndim == 4 and found.shape[1] != self.model.num_features:  # channels come last
            return found.permute(0, 3, 1, 2)
        return found

    @property
    def signed(self) -> bool:
        """Whether its features may be negative by design: a transformer's, after its last norm."""
        return hasattr(self.model, "patch_embed")


def imagenet(name: str, size: tuple[int, int], others: str) -> dict[str, Tensor]:
    """A body's weights of ImageNet.

    Raises:
        UserError: they are not to be had; `others` says what else there is.
    """
    try:
        if name in IBN_WEIGHTS:
            url = f"{IBN_RELEASE}/{IBN_WEIGHTS[name]}"
            return dict(torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True, weights_only=True))
        if name in RESNETS:
            from torchvision.models import get_model_weights

            return dict(get_model_weights(name).DEFAULT.get_state_dict(progress=False))
        return _timm(name, size, pretrained=True)[0].state_dict()
    except UserError:
        raise
    except Exception as error:  # no network, no cache, a site that is down: whatever it was, the remedy is the same
        why = " ".join(str(error).split())[:120]
        raise UserError(f"--init imagenet: the weights of {name} cannot be had ({why}); {others}") from error
