"""What a pass through each network takes, counted once with PyTorch; itself free of torch.

`COUNTED` holds convolutional networks and transformers for images of a side and number of channels, ten
classes; a test counts them again. Perceptrons follow from their widths.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from retrace.nets.target_names import perceptron


class Size(NamedTuple):
    """One network: floating-point operations of a forward pass, an example; calls of PyTorch a pass, forward
    and of a training step; numbers written by these, an example; parameters.
    """

    flop: float
    forward_calls: int
    step_calls: int
    forward_elements: float
    step_elements: float
    parameters: int


# network, channels, side; by tests/science/test_sizes.py
COUNTED: dict[tuple[str, int, int], Size] = {
    ("cnn", 1, 8): Size(756_992, 11, 29, 7_754, 15_527, 24_058),
    ("vgg-s", 1, 8): Size(277_760, 17, 42, 6_090, 11_791, 33_482),
    ("resnet-s", 1, 8): Size(1_527_040, 30, 73, 17_226, 36_063, 77_754),
    ("mobilenet-s", 1, 8): Size(371_264, 38, 102, 28_586, 65_674, 18_546),
    ("vit-s", 1, 8): Size(3_573_760, 29, 147, 37_176, 202_820, 102_666),
    ("cnn", 1, 28): Size(2_315_648, 11, 29, 23_594, 47_207, 24_058),
    ("vgg-s", 1, 28): Size(3_268_352, 17, 42, 72_938, 140_911, 33_482),
    ("resnet-s", 1, 28): Size(5_104_000, 30, 73, 54_762, 113_823, 77_754),
    ("mobilenet-s", 1, 28): Size(1_224_416, 38, 102, 91_682, 210_322, 18_546),
    ("vit-s", 1, 28): Size(3_665_920, 29, 147, 37_176, 202_820, 105_546),
    ("vit-s", 3, 32): Size(16_418_816, 29, 147, 142_296, 775_460, 108_554),
    ("resnet18", 3, 32): Size(1_110_845_440, 67, 162, 2_032_138, 4_182_205, 11_173_962),
    ("vgg16_bn", 3, 32): Size(664_223_744, 50, 129, 908_810, 1_820_204, 33_646_666),
    ("vgg11_bn", 3, 32): Size(306_063_360, 33, 84, 518_666, 1_008_827, 9_493_770),
    ("mobilenet_v2", 3, 32): Size(592_946_176, 151, 397, 12_604_682, 29_114_041, 2_236_682),
    ("mobilenet_v3", 3, 32): Size(11_005_440, 155, 400, 372_562, 886_792, 1_528_106),
    ("googlenet", 3, 32): Size(2_674_282_496, 187, 455, 11_339_786, 26_978_061, 5_490_986),
    ("vit", 3, 32): Size(2_840_618_496, 101, 543, 4_295_996, 20_525_060, 21_342_346),
}


def size_of(network: str, channels: int, side: int, classes: int) -> Size:
    """The size of a network for such images; counted for another side, it grows with the area.

    ValueError when nobody counted the network.
    """
    known = perceptron(network)
    if known or network == "mlp":
        return chain((channels * side * side, *(known[1] if known else (128, 64)), classes))
    same = {key: size for key, size in COUNTED.items() if key[0] == network}
    if not same:
        raise ValueError(
            f"network {network!r} is not counted: add it to COUNTED in src/retrace/nets/sizes.py"
        )
    nearest = min(same, key=lambda key: (abs(key[2] - side), abs(key[1] - channels)))
    size, grown = same[nearest], (side / nearest[2]) ** 2
    return size._replace(
        flop=size.flop * grown,
        forward_elements=size.forward_elements * grown,
        step_elements=size.step_elements * grown,
    )


def chain(widths: tuple[int, ...]) -> Size:
    """A perceptron of these widths, inputs and classes among them."""
    pairs = list(pairwise(widths))
    weights = sum(i * o for i, o in pairs)
    units = sum(widths[1:])
    layers = len(pairs)
    return Size(2.0 * weights, 2 * layers, 6 * layers + 12, 2.0 * units, 5.0 * units, weights + units)
