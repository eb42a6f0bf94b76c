"""torchvision's architectures for small images: full size for accelerators, narrow for two cores.

torchvision is imported inside the functions: it takes over a second to import, and jobs on the
small networks do not need it.
"""

from __future__ import annotations

from typing import Any

from torch import nn

VGG_S = (16, "M", 32, "M", 32, "M", 64)
MOBILENET_S = ((1, 16, 1, 1), (3, 24, 1, 2), (3, 32, 2, 2))  # expansion, channels, repeats, stride
MOBILENET_S_LAST = 64


def set_in_channels(owner: Any, attribute: str, in_channels: int) -> None:
    """Replace the convolution `owner.attribute` (or item) by one that takes `in_channels` channels."""
    old = owner[int(attribute)] if attribute.isdigit() else getattr(owner, attribute)
    if old.in_channels == in_channels:
        return
    new = nn.Conv2d(
        in_channels,
        old.out_channels,
        old.kernel_size,
        old.stride,
        old.padding,
        bias=old.bias is not None,
    )
    if attribute.isdigit():
        owner[int(attribute)] = new
    else:
        setattr(owner, attribute, new)


def _module(net: Any) -> nn.Module:
    assert isinstance(net, nn.Module)
    return net


def _at_least(name: str, size: int, least: int) -> None:
    if size < least:
        raise ValueError(
            f"network {name}: images of {size}x{size} are too small, it halves them below one pixel; "
            f"use images of at least {least}x{least} or a network whose name ends in -s"
        )


def resnet18(in_channels: int, size: int, classes: int) -> nn.Module:
    """ResNet-18 with a 3x3 stem, no max pooling, and dropout 0.5 before the head (He et al., 2016)."""
    from torchvision.models import resnet18 as reference

    net: Any = reference(num_classes=classes)
    net.conv1 = nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False)
    net.maxpool = nn.Identity()
    net.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, classes))
    return _module(net)


def resnet_s(in_channels: int, size: int, classes: int) -> nn.Module:
    """Residual network of three basic blocks with 16, 32 and 64 filters; its stem halves large images."""
    from torchvision.models.resnet import BasicBlock

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        shortcut = None
        if stride > 1:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))
        return _module(BasicBlock(inputs, outputs, stride, shortcut))

    stride = 2 if size >= 16 else 1
    stem = [nn.Conv2d(in_channels, 16, 3, stride, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    final = size
    for each in (stride, 2, 2):
        final = (final - 1) // each + 1
    blocks = [block(16, 16, 1), block(16, 32, 2), block(32, 64, 2)]
    return nn.Sequential(*stem, *blocks, nn.AvgPool2d(final), nn.Flatten(), nn.Linear(64, classes))


def vgg16_bn(in_channels: int, size: int, classes: int) -> nn.Module:
    """VGG-16 with batch norm and the 512-4096-4096 classifier of 32x32 images (Simonyan, Zisserman, 2015)."""
    from torchvision.models.vgg import cfgs, make_layers

    _at_least("vgg16_bn", size, 32)
    body = make_layers(cfgs["D"], batch_norm=True)
    set_in_channels(body, "0", in_channels)
    head: list[nn.Module] = []
    for inputs in (512, 4096):
        head += [nn.Linear(inputs, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head, nn.Linear(4096, classes))


def vgg_s(in_channels: int, size: int, classes: int) -> nn.Module:
    """VGG with batch norm, four convolutions of 16 to 64 filters, three max poolings, linear head."""
    from torchvision.models.vgg import make_layers

    _at_least("vgg-s", size, 8)
    body = make_layers(list(VGG_S), batch_norm=True)
    set_in_channels(body, "0", in_channels)
    return nn.Sequential(body, nn.AvgPool2d(size // 8), nn.Flatten(), nn.Linear(64, classes))


def mobilenet_v2(in_channels: int, size: int, classes: int) -> nn.Module:
    """MobileNetV2 of width 1 that halves small images only twice (Sandler et al., 2018)."""
    from torchvision.models import MobileNetV2

    setting = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 1), (6, 64, 4, 2)]
    setting += [(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    net: Any = MobileNetV2(num_classes=classes, inverted_residual_setting=[list(row) for row in setting])
    net.features[0][0].stride = (1, 1)
    set_in_channels(net.features[0], "0", in_channels)
    return _module(net)


def mobilenet_s(in_channels: int, size: int, classes: int) -> nn.Module:
    """MobileNetV2 with four inverted residuals, expansion 3 and 64 last channels, without dropout."""
    from torchvision.models import MobileNetV2
    from torchvision.ops.misc import Conv2dNormActivation

    rows = [list(row) for row in MOBILENET_S]
    net: Any = MobileNetV2(num_classes=classes, width_mult=1.0, inverted_residual_setting=rows, dropout=0.0)
    net.features[0] = Conv2dNormActivation(
        in_channels, 16, stride=2 if size >= 16 else 1, activation_layer=nn.ReLU6
    )
    net.features[1].conv[0] = Conv2dNormActivation(16, 16, groups=16, activation_layer=nn.ReLU6)
    net.features[1].conv[1] = nn.Conv2d(16, 16, 1, bias=False)
    net.features[-1] = Conv2dNormActivation(rows[-1][1], MOBILENET_S_LAST, 1, activation_layer=nn.ReLU6)
    net.classifier[1] = nn.Linear(MOBILENET_S_LAST, classes)
    return _module(net)


def googlenet(in_channels: int, size: int, classes: int) -> nn.Module:
    """GoogLeNet with batch norm, one 3x3 stem layer and no auxiliary heads (Szegedy et al., 2015)."""
    from torchvision.models import GoogLeNet
    from torchvision.models.googlenet import BasicConv2d

    net: Any = GoogLeNet(num_classes=classes, aux_logits=False, transform_input=False, init_weights=True)
    net.conv1 = BasicConv2d(in_channels, 192, kernel_size=3, padding=1)
    for name in ("maxpool1", "conv2", "conv3", "maxpool2"):
        setattr(net, name, nn.Identity())
    return _module(net)


def _patch(size: int) -> int:
    return next((patch for patch in (7, 4, 2, 1) if size % patch == 0 and size // patch >= 4), 1)


def _vit(in_channels: int, size: int, classes: int, patch: int, **shape: int) -> nn.Module:
    from torchvision.models import VisionTransformer

    if size % patch:
        raise ValueError(f"network vit: image size {size} is not a multiple of the patch size {patch}")
    net: Any = VisionTransformer(image_size=size, patch_size=patch, num_classes=classes, **shape)
    set_in_channels(net, "conv_proj", in_channels)
    nn.init.trunc_normal_(net.conv_proj.weight, std=(in_channels * patch * patch) ** -0.5)
    nn.init.zeros_(net.conv_proj.bias)
    return _module(net)


def vit(in_channels: int, size: int, classes: int) -> nn.Module:
    """Vision transformer, 12 layers of width 384 with 6 heads; patch 16 from 128 pixels on, else 4."""
    patch = 16 if size >= 128 else 4
    shape = {"num_layers": 12, "num_heads": 6, "hidden_dim": 384, "mlp_dim": 1536}
    return _vit(in_channels, size, classes, patch, **shape)


def vit_s(in_channels: int, size: int, classes: int) -> nn.Module:
    """Vision transformer, 3 layers of width 64 with 4 heads on a grid of at least 4x4 patches."""
    shape = {"num_layers": 3, "num_heads": 4, "hidden_dim": 64, "mlp_dim": 128}
    return _vit(in_channels, size, classes, _patch(size), **shape)


BUILDERS = {
    "resnet18": resnet18,
    "resnet-s": resnet_s,
    "vgg16_bn": vgg16_bn,
    "vgg-s": vgg_s,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet-s": mobilenet_s,
    "googlenet": googlenet,
    "vit": vit,
    "vit-s": vit_s,
}
