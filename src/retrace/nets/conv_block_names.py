"""Shapes of the networks that certification studies train; free of torch, so that planning is quick."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Shape:
    """Convolutions as (filters, kernel, stride, padding), each with batch norm and ReLU, and hidden units."""

    blocks: tuple[tuple[int, int, int, int], ...]
    hidden: int

    def with_filters(self, filters: tuple[int, ...], hidden: int | None = None) -> Shape:
        """The same shape with other widths; ValueError when there are not as many, or one is below 1."""
        if len(filters) != len(self.blocks) or min(filters) < 1:
            raise ValueError(f"filters {filters}: need {len(self.blocks)} numbers of at least 1")
        blocks = tuple((n, *block[1:]) for n, block in zip(filters, self.blocks, strict=True))
        return replace(self, blocks=blocks, hidden=hidden or self.hidden)

    def map_sizes(self, size: int) -> list[int]:
        """Sides of the maps after each convolution of square images of `size` pixels."""
        sides = []
        for _, kernel, stride, padding in self.blocks:
            size = (size + 2 * padding - kernel) // stride + 1
            sides.append(size)
        return sides

    def conv_weights(self, in_channels: int) -> int:
        """Number of convolution weights."""
        inputs = (in_channels, *(block[0] for block in self.blocks))
        return sum(i * n * k * k for i, (n, k, _, _) in zip(inputs, self.blocks, strict=False))

    def head_weights(self, size: int, classes: int) -> int:
        """Number of weights and biases of the two linear layers."""
        inputs = self.blocks[-1][0] * self.map_sizes(size)[-1] ** 2
        return (inputs + 1) * self.hidden + (self.hidden + 1) * classes

    def weights(self, in_channels: int, size: int, classes: int) -> int:
        """Number of all parameters: convolutions, scales and shifts of the norms, linear layers."""
        norms = 2 * sum(filters for filters, *_ in self.blocks)
        return self.conv_weights(in_channels) + norms + self.head_weights(size, classes)


SHAPES = {
    "conv2": Shape(((16, 4, 2, 1), (32, 4, 2, 1)), 64),
    # on 28x28 grey images 78 % of the weights are the convolutions', as they are 80 % of conv5's there
    "conv3": Shape(((8, 4, 2, 1), (16, 4, 2, 1), (32, 4, 2, 1)), 10),
    # the network of the CertifiedPruning paper (section 4.1) for all its data sets
    "conv5": Shape(((32, 3, 1, 1), (64, 4, 2, 1), (64, 3, 1, 1), (128, 4, 2, 1), (128, 4, 2, 1)), 100),
}
