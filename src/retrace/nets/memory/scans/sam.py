"""SAM's scan: weight gradients and what depends on x alone leave the loop."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.derivatives import softmax_backward
from retrace.nets.memory.scans.controller import (
    Controller,
    ControllerBack,
    LstmTape,
    LstmWeights,
    interface_grads,
)
from retrace.nets.memory.scans.cosine import Cosine, CosineBack, CosineTape
from retrace.nets.memory.scans.node import Grads, started

ACCESS = 0.005  # a weight above it is an access (section 3.2)


class Tape(NamedTuple):
    """said (T, B, 2R + 3): key, strength, write vector, gate, mix; strength (T, B, 1, 1); gates
    (T, B, 2), the last two activated; memory (T + 1, B, N, R); reading (T + 1, B, N); unused
    (one-hot), writing (T, B, N).
    """

    said: Tensor
    strength: Tensor
    gates: Tensor
    memory: Tensor
    reading: Tensor
    unused: Tensor
    writing: Tensor


class SamLoop:
    """Inputs: x (T, B, X), the state's six parts, the LSTM's four weights, interface weight and bias.

    Outputs: [h; read] (T, B, H + R), the state's parts after the last step, read weights (T, B, N).
    """

    def __init__(self, kept: int) -> None:
        self.kept = kept

    def forward(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """All steps."""
        x, h, c, memory, reading, idle, read = inputs[:7]
        steps, batch, slots, width = x.shape[0], *memory.shape
        lstm, weight = Controller(x, h, c, read, LstmWeights(*inputs[7:11])), inputs[11].t().contiguous()
        bias, new = inputs[12], x.new_empty
        tape = Tape(
            said=new(steps, batch, 2 * width + 3),
            strength=new(steps, batch, 1, 1),
            gates=new(steps, batch, 2),
            memory=new(steps + 1, batch, slots, width),
            reading=x.new_zeros(steps + 1, batch, slots),
            unused=x.new_zeros(steps, batch, slots),
            writing=new(steps, batch, slots),
        )
        tape.memory[0], tape.reading[0] = memory, reading
        cosine = Cosine(tape.said[..., :width].unsqueeze(2), tape.strength, slots)
        said, strength, gates, rows, reads, unused, writing = (part.unbind(0) for part in tape)
        raw = tape.said[..., width : width + 1].unsqueeze(2).unbind(0)
        what = tape.said[..., width + 1 : 2 * width + 1].unsqueeze(2).unbind(0)
        ends = tape.said[..., -2:].unbind(0)
        gate, mix = tape.gates[..., :1].unbind(0), tape.gates[..., 1:].unbind(0)
        tall_unused, tall_writing = tape.unused.unsqueeze(3).unbind(0), tape.writing.unsqueeze(3).unbind(0)
        for t in range(steps):
            lstm.step(t)
            torch.addmm(bias, lstm.h[t + 1], weight, out=said[t])  # (B, E)
            torch.ops.aten.softplus.out(raw[t], out=strength[t]).add_(1)  # (B, 1, 1)
            torch.sigmoid(ends[t], out=gates[t])  # (B, 2)
            unused[t].scatter_(1, idle.argmax(1, keepdim=True), 1.0)  # (B, N)
            torch.lerp(unused[t], reads[t], mix[t], out=writing[t]).mul_(gate[t])  # (B, N)
            torch.addcmul(rows[t], tall_unused[t], rows[t], value=-1, out=rows[t + 1])  # (B, N, R)
            rows[t + 1].addcmul_(tall_writing[t], what[t])  # (B, N, R)
            top, at = cosine.scores(t, rows[t + 1]).squeeze(1).topk(self.kept, dim=1)  # (B, kept) each
            reads[t + 1].scatter_(1, at, top.softmax(1))  # (B, N)
            lstm.read[t + 1].copy_(torch.bmm(reads[t + 1].unsqueeze(1), rows[t + 1]).squeeze(1))  # (B, R)
            idle = (idle + 1) * ((reads[t + 1] + writing[t]) <= ACCESS)  # (B, N)
        h, c, read = lstm.ends()
        parts = (lstm.tape.seen[1:], h, c, tape.memory[-1], tape.reading[-1], idle, read, tape.reading[1:])
        outputs = tuple(part.clone() for part in parts)
        return outputs, (*lstm.tape, *cosine.tape, *tape)

    def backward(self, inputs: tuple[Tensor, ...], saved: tuple[Tensor, ...], grads: Grads) -> Grads:
        """All steps backwards."""
        x, width = inputs[0], inputs[6].shape[1]
        tape = Tape(*saved[8:])
        grad, into_h, into_c, into_memory, into_reading, _, into_read = grads
        ends = (into_h, into_c, into_read)
        lstm = ControllerBack(LstmTape(*saved[:4]), LstmWeights(*inputs[7:11]), x.shape[2], grad, ends)
        cosine = CosineBack(CosineTape(*saved[4:8]), tape.said[..., :width].unsqueeze(2), tape.strength)
        memory, reading = started(into_memory, tape.memory[0]), started(into_reading, tape.reading[0])
        rows, reads, weight = tape.memory.unbind(0), tape.reading.unbind(0), inputs[11]
        gate, mix = tape.gates[..., :1].unbind(0), tape.gates[..., 1:].unbind(0)
        apart = (tape.reading[:-1] - tape.unused).unbind(0)
        chain = torch.cat([tape.said[..., width : width + 1].sigmoid(), 1 - tape.gates[..., :1],
                           tape.gates[..., 1:] * (1 - tape.gates[..., 1:])], 2).unbind(0)  # fmt: skip
        left, writing = (1 - tape.unused).unsqueeze(3).unbind(0), tape.writing.unbind(0)
        said = torch.empty_like(tape.said)
        key, what = said[..., :width].unsqueeze(2).unbind(0), said[..., width + 1 : -2].unsqueeze(2).unbind(0)
        scalars = said[..., width :: width + 1].unbind(0)  # strength and gate ...
        last, whole = said[..., -1:].unbind(0), said.unbind(0)  # ... and mix
        vector = tape.said[..., width + 1 : -2].unsqueeze(3).unbind(0)
        raw = x.new_empty(x.shape[1], 3)  # (B, 3)
        for t in range(x.shape[0] - 1, -1, -1):
            into_r, after = lstm.read[t + 1], rows[t + 1]  # (B, R), (B, N, R)
            reading.add_(torch.bmm(after, into_r.unsqueeze(2)).squeeze(2))  # (B, N)
            memory.baddbmm_(reads[t + 1].unsqueeze(2), into_r.unsqueeze(1))  # (B, N, R)
            scores = softmax_backward(reading, reads[t + 1], 1, raw.dtype).unsqueeze(1)
            cosine.step(t, scores, after, memory, key[t], raw[:, :1])
            into_w = torch.bmm(memory, vector[t]).squeeze(2)  # (B, N)
            what[t].copy_(torch.bmm(writing[t].unsqueeze(1), memory))  # (B, 1, R)
            memory.mul_(left[t])  # (B, N, R)
            torch.sum(into_w * writing[t], 1, out=raw[:, 1])  # (B,)
            into_w.mul_(gate[t])  # (B, N)
            torch.sum(into_w * apart[t], 1, out=raw[:, 2])  # (B,)
            torch.mul(into_w, mix[t], out=reading)  # (B, N)
            raw.mul_(chain[t])
            scalars[t].copy_(raw[:, :2])
            last[t].copy_(raw[:, 2:])
            lstm.h[t + 1].addmm_(whole[t], weight)  # (B, H)
            lstm.step(t)
        into_x, lstm_grads = lstm.finish(x)
        h, c, read = lstm.begin()
        begin = (h, c, memory, reading, None, read)
        return (into_x, *begin, *lstm_grads, *interface_grads(said, LstmTape(*saved[:4])))
