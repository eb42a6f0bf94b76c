"""A small network and random images, for the tests of robust training."""

import torch

from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks


def data(count=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 1, 8, 8, generator=generator)
    y = torch.randint(0, 10, (count,), generator=generator)
    return x, y


def network(seed=0):
    net = conv_blocks(SHAPES["conv2"], 1, 8, 10, seed)
    x, _ = data()
    with torch.no_grad():
        for _ in range(20):
            net.train()(x)
    return net.eval()
