"""Which networks there are; free of torch, so that planning is quick."""

from __future__ import annotations

NETWORKS = (
    "cnn",
    "mlp",
    "resnet18",
    "resnet-s",
    "vgg16_bn",
    "vgg-s",
    "mobilenet_v2",
    "mobilenet-s",
    "googlenet",
    "vit",
    "vit-s",
)
