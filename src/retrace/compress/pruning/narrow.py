"""Dense networks with as many weights as a pruned one has left: the control that pruning must beat."""

from __future__ import annotations

from retrace.compress.pruning.names import check_share
from retrace.nets.conv_block_names import Shape


def narrow(shape: Shape, in_channels: int, share: float) -> Shape:
    """The shape with all widths scaled alike, as wide as that share of its convolution weights allows.

    Widths that still fit are then raised one by one, the last layer first. At least one filter each.
    """
    check_share(share)
    budget = share * shape.conv_weights(in_channels)
    full = [block[0] for block in shape.blocks]
    widths = [1] * len(full)
    for step in range(1, 1001):
        scaled = [max(1, n * step // 1000) for n in full]
        if shape.with_filters(tuple(scaled)).conv_weights(in_channels) > budget:
            break
        widths = scaled
    for place in reversed(range(len(widths))):
        while widths[place] < full[place]:
            wider = [n + (i == place) for i, n in enumerate(widths)]
            if shape.with_filters(tuple(wider)).conv_weights(in_channels) > budget:
                break
            widths = wider
    return shape.with_filters(tuple(widths))


def refilled(shape: Shape, like: Shape, in_channels: int, share: float, size: int, classes: int) -> Shape:
    """The shape with hidden units added until all its weights together are as many as those of `like` pruned.

    `like` loses all but that share of its convolution weights and keeps its linear layers whole.
    """
    total = share * like.conv_weights(in_channels) + like.head_weights(size, classes)
    widths = tuple(block[0] for block in shape.blocks)
    hidden = shape.hidden
    while True:
        wider = shape.with_filters(widths, hidden + 1)
        if wider.conv_weights(in_channels) + wider.head_weights(size, classes) > total:
            return shape.with_filters(widths, hidden)
        hidden += 1
