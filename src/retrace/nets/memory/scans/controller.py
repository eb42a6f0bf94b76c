"""The LSTM controller of NTM, DNC and SAM: its input is [x; read], its output [h; next read]."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.derivatives import sigmoid_backward, tanh_backward
from retrace.nets.memory.scans.node import Grads, started


class LstmWeights(NamedTuple):
    """As torch.nn.LSTMCell holds them: (4H, X + R), (4H, H) and two biases (4H,); rows i, f, g, o."""

    from_x: Tensor
    from_h: Tensor
    bias: Tensor
    offset: Tensor


class LstmTape(NamedTuple):
    """gates (T, B, 4H) activated; seen (T + 1, B, H + R), row t is [h; read] before step t; c (T + 1, B, H);
    squashed (T, B, H), tanh of the next c.
    """

    gates: Tensor
    seen: Tensor
    c: Tensor
    squashed: Tensor


class Controller:
    """Steps forward. What depends on x alone is one product over the sequence, a step takes one more."""

    def __init__(self, x: Tensor, h: Tensor, c: Tensor, read: Tensor, weights: LstmWeights) -> None:
        (steps, batch, inputs), hidden, width = x.shape, h.shape[1], read.shape[1]
        new = x.new_empty
        gates = torch.addmm(
            weights.bias + weights.offset, x.reshape(-1, inputs), weights.from_x[:, :inputs].t()
        ).view(steps, batch, 4 * hidden)
        seen, cells = new(steps + 1, batch, hidden + width), new(steps + 1, batch, hidden)
        seen[0, :, :hidden], seen[0, :, hidden:], cells[0] = h, read, c
        self.tape = LstmTape(gates, seen, cells, new(steps, batch, hidden))
        self.weight = torch.cat([weights.from_h, weights.from_x[:, inputs:]], 1).t().contiguous()
        # A view costs about as much as a small operation: make them all at once.
        self.whole, self.both = gates.unbind(0), seen.unbind(0)
        self.h, self.read = seen[..., :hidden].unbind(0), seen[..., hidden:].unbind(0)
        self.i, self.f, self.g, self.o = (part.unbind(0) for part in gates.chunk(4, 2))
        self.two, self.c, self.squashed = (
            gates[..., : 2 * hidden].unbind(0),
            cells.unbind(0),
            self.tape.squashed.unbind(0),
        )

    def step(self, t: int) -> None:
        """Fill c and h after step t."""
        self.whole[t].addmm_(self.both[t], self.weight)  # (B, 4H)
        self.two[t].sigmoid_()  # (B, 2H)
        self.g[t].tanh_()  # (B, H)
        self.o[t].sigmoid_()  # (B, H)
        torch.mul(self.f[t], self.c[t], out=self.c[t + 1]).addcmul_(self.i[t], self.g[t])  # (B, H)
        torch.tanh(self.c[t + 1], out=self.squashed[t])  # (B, H)
        torch.mul(self.o[t], self.squashed[t], out=self.h[t + 1])  # (B, H)

    def ends(self) -> tuple[Tensor, Tensor, Tensor]:
        """h, c and read after the last step."""
        return self.h[-1], self.c[-1], self.read[-1]


class ControllerBack:
    """Steps backward. `seen` (T + 1, B, H + R): gradient of the tape's; `carry` (B, H): of c."""

    def __init__(
        self, tape: LstmTape, weights: LstmWeights, inputs: int, grad: Tensor | None, last: Grads
    ) -> None:
        """`grad` (T, B, H + R) of the output; `last`: of h, c and read after the last step."""
        gates, seen, c, squashed = tape
        steps, batch, hidden = squashed.shape
        self.tape, self.weights, self.inputs = tape, weights, inputs
        i, f, g, o = gates.chunk(4, 2)
        inner = gates.new_empty(steps, batch, 3, hidden)  # d c / d(logits of i, f, g)
        sigmoid_backward(g, i, grad_input=inner[:, :, 0])
        sigmoid_backward(c[:-1], f, grad_input=inner[:, :, 1])
        tanh_backward(i, g, grad_input=inner[:, :, 2])
        through_o, through_c = torch.empty_like(squashed), torch.empty_like(squashed)
        sigmoid_backward(squashed, o, grad_input=through_o)
        tanh_backward(o, squashed, grad_input=through_c)
        self.seen = torch.zeros_like(seen)
        if grad is not None:
            self.seen[1:] = grad
        for part, view in ((last[0], self.seen[-1, :, :hidden]), (last[2], self.seen[-1, :, hidden:])):
            if part is not None:
                view += part
        self.carry = started(last[1], c[0])
        self.wide = self.carry.unsqueeze(1)
        self.logits = torch.empty_like(gates)
        self.inner, self.through_o, self.through_c = (
            inner.unbind(0),
            through_o.unbind(0),
            through_c.unbind(0),
        )
        self.three = torch.unflatten(self.logits[..., : 3 * hidden], 2, (3, hidden)).unbind(0)
        self.fourth, self.whole = self.logits[..., 3 * hidden :].unbind(0), self.logits.unbind(0)
        self.both, self.f = self.seen.unbind(0), f.unbind(0)
        self.h, self.read = self.seen[..., :hidden].unbind(0), self.seen[..., hidden:].unbind(0)
        self.weight = torch.cat([weights.from_h, weights.from_x[:, inputs:]], 1)  # (4H, H + R)

    def step(self, t: int) -> None:
        """From the gradients of h and c after step t to those of h, c and read before it."""
        self.carry.addcmul_(self.h[t + 1], self.through_c[t])  # (B, H)
        torch.mul(self.wide, self.inner[t], out=self.three[t])  # (B, 3, H)
        torch.mul(self.h[t + 1], self.through_o[t], out=self.fourth[t])  # (B, H)
        self.carry.mul_(self.f[t])  # (B, H)
        self.both[t].addmm_(self.whole[t], self.weight)  # (B, H + R)

    def begin(self) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of h, c and read before the first step."""
        return self.h[0], self.carry, self.read[0]

    def finish(self, x: Tensor) -> tuple[Tensor, LstmWeights]:
        """Gradients of x and of the weights: one product each."""
        hidden = self.carry.shape[1]
        flat = self.logits.view(-1, 4 * hidden)  # (TB, 4H)
        both = flat.t() @ self.tape.seen[:-1].reshape(flat.shape[0], -1)  # (4H, H + R)
        from_x = torch.cat([flat.t() @ x.reshape(flat.shape[0], -1), both[:, hidden:]], 1)  # (4H, X + R)
        bias = flat.sum(0)  # (4H,)
        into_x = (flat @ self.weights.from_x[:, : self.inputs]).view(x.shape)  # (T, B, X)
        return into_x, LstmWeights(from_x, both[:, :hidden], bias, bias)


def interface_grads(said: Tensor, tape: LstmTape) -> tuple[Tensor, Tensor]:
    """Gradients of weight (E, H) and bias (E,) of the layer on h, from that of what it said (T, B, E)."""
    hidden = tape.c.shape[2]
    flat = said.view(-1, said.shape[2])  # (TB, E)
    return flat.t() @ tape.seen[1:, :, :hidden].reshape(-1, hidden), flat.sum(0)
