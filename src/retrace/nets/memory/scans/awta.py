"""The scan of "awta": ARMIN's fused scan with TARDIS's address in the place of its own."""

from __future__ import annotations

from torch import Tensor

from retrace.nets.memory.fused import backward, forward
from retrace.nets.memory.fused.gradients import Gradients
from retrace.nets.memory.fused.tape import Sizes, Tape, Weights, output
from retrace.nets.memory.scans.node import Grads
from retrace.nets.memory.scans.picking import Address, AddressBack, AddressTape, AddressWeights


class AwtaLoop:
    """Inputs: x (T, B, X); h, memory, usage, last; the address layer's part of [x; h] (I, X + H) and its
    bias; `AddressWeights`; weights and biases of gate, update and write layers.

    Outputs: the cell's (T, B, H + R), the four parts of the state after the last step, reads (T, B, N).
    """

    def __init__(self, noise: Tensor | None, kappa: float, before: int) -> None:
        self.noise, self.kappa, self.before = noise, kappa, before

    def forward(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """All steps."""
        x, h, memory, usage, last = inputs[:5]
        weights, s = Weights(*inputs[5:7], *inputs[11:]), self._sizes(inputs)
        address = Address(AddressWeights(*inputs[7:11]), memory, (usage, last, self.before), self.noise, s.T)
        tape, after = forward.run(s, x, h, memory, weights, None, False, address)
        ends = (tape.seen[-1, :, s.X : s.X + s.H], after, address.tape.usage[-1], address.tape.last[-1])
        outputs = (output(s, tape), *(part.clone() for part in (*ends, address.tape.last[1:])))
        return outputs, (after, *tape, *address.tape)

    def backward(self, inputs: tuple[Tensor, ...], saved: tuple[Tensor, ...], grads: Grads) -> Grads:
        """All steps backwards."""
        s, after, tape = self._sizes(inputs), saved[0], Tape(*saved[1:6])
        weights = Weights(*inputs[5:7], *inputs[11:])
        grad, into_h, into_memory, usage, last = grads
        if grad is None:
            grad = tape.late.new_zeros(s.T, s.B, s.H + s.R)
        read = tape.seen[:-1, :, s.X + s.H :].unbind(0)
        written = tape.early[1:, :, s.early - s.R :].unbind(0)
        walk = AddressBack(
            AddressWeights(*inputs[7:11]),
            AddressTape(*saved[6:]),
            (inputs[2], after),
            (tape.chosen, read, written),
            (into_memory, usage, last),
            self.kappa,
            self.before,
        )
        into = Gradients(s, tape, weights, True)
        first = backward.run(s, tape, weights, walk, into, grad, into_h)
        memory, usage, last, parts = walk.finish()
        return into.x, first, memory, usage, last, *into.weights[:2], *parts, *into.weights[2:]

    def _sizes(self, inputs: tuple[Tensor, ...]) -> Sizes:
        steps, batch, size = inputs[0].shape
        slots, width = inputs[2].shape[1:]
        return Sizes(steps, batch, size, inputs[1].shape[1], slots, width, len(inputs[6]), self.before)
