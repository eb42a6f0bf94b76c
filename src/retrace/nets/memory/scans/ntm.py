"""The NTM's scan: both heads at once, one product per layer and step, weight gradients after the loop."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.derivatives import softmax_backward
from retrace.nets.memory.scans.controller import Controller, ControllerBack, LstmTape, LstmWeights
from retrace.nets.memory.scans.cosine import Cosine, CosineBack, CosineTape
from retrace.nets.memory.scans.node import Grads, started


class Tape(NamedTuple):
    """E = 3R + 12 numbers leave the heads, K = 2 heads. unit (T, B, H), length (T, B, 1) of c; said
    (T, B, E); memory (T + 1, B, N, R); weights (T + 1, B, K, N); soft (T, B, K, 2): strength and sharpness;
    gate, total (T, B, K, 1); shift (T, B, K, 3); content, moved, sharp (T, B, K, N); ring (T, B, K, N + 2).
    """

    unit: Tensor
    length: Tensor
    said: Tensor
    memory: Tensor
    weights: Tensor
    soft: Tensor
    gate: Tensor
    shift: Tensor
    content: Tensor
    ring: Tensor
    moved: Tensor
    sharp: Tensor
    total: Tensor


class NtmLoop:
    """Inputs: x (T, B, X), the state's six parts, the LSTM's four weights, weight and bias of both heads.

    Outputs: [h; read] (T, B, H + R), the state's parts after the last step, read weights (T, B, N).
    """

    def forward(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """All steps."""
        x, h, c, memory, reading, writing, read = inputs[:7]
        (steps, batch, slots, width), hidden = (x.shape[0], *memory.shape), h.shape[1]
        lstm = Controller(x, h, c, read, LstmWeights(*inputs[7:11]))
        order = _order(width, x.device)
        weight, bias = torch.cat(inputs[11:15:2])[order].t().contiguous(), torch.cat(inputs[12:15:2])[order]
        new, both = x.new_empty, (steps, batch, 2)
        tape = Tape(
            unit=new(steps, batch, hidden),
            length=new(steps, batch, 1),
            said=new(steps, batch, 3 * width + 12),
            memory=new(steps + 1, batch, slots, width),
            weights=new(steps + 1, batch, 2, slots),
            soft=new(*both, 2),
            gate=new(*both, 1),
            shift=new(*both, 3),
            content=new(*both, slots),
            ring=new(*both, slots + 2),
            moved=new(*both, slots),
            sharp=new(*both, slots),
            total=new(*both, 1),
        )
        tape.memory[0] = memory
        tape.weights[0, :, 0], tape.weights[0, :, 1] = reading, writing
        heads, what = _heads(tape.said, width)
        cosine = Cosine(heads[..., :width], tape.soft[..., :1], slots)
        unit, length, said, rows, weights, soft, gate, shift, content, _, moved, sharp, total = (
            part.unbind(0) for part in tape
        )
        pair, gates, shifts = (
            heads[..., width::5].unbind(0),
            heads[..., width + 1 : width + 2].unbind(0),
            heads[..., width + 2 : width + 5].unbind(0),
        )
        power = tape.soft[..., 1:].unbind(0)
        turns = [part.unbind(0) for part in torch.split(tape.shift, 1, 3)]
        places = [tape.ring[..., k : k + slots].unbind(0) for k in range(3)]
        first, last = tape.ring[..., :1].unbind(0), tape.ring[..., -1:].unbind(0)
        start, end = tape.ring[..., 1:2].unbind(0), tape.ring[..., -2:-1].unbind(0)
        flat = tape.weights[1:, :, :1].unbind(0)
        tall = tape.weights[1:, :, 1].unsqueeze(3).unbind(0)
        written = what.unsqueeze(2).unbind(0)
        for t in range(steps):
            lstm.step(t)
            torch.linalg.vector_norm(lstm.c[t + 1], 2, 1, True, out=length[t]).clamp_min_(1e-12)  # (B, 1)
            torch.div(lstm.c[t + 1], length[t], out=unit[t])  # (B, H)
            torch.addmm(bias, unit[t], weight, out=said[t])  # (B, E)
            torch.ops.aten.softplus.out(pair[t], out=soft[t])  # (B, K, 2)
            power[t].add_(1)  # (B, K, 1)
            torch.sigmoid(gates[t], out=gate[t])  # (B, K, 1)
            torch.softmax(shifts[t], 2, out=shift[t])  # (B, K, 3)
            torch.softmax(cosine.scores(t, rows[t]), 2, out=content[t])  # (B, K, N)
            torch.lerp(weights[t], content[t], gate[t], out=places[1][t])  # (B, K, N)
            first[t].copy_(end[t])  # (B, K, 1)
            last[t].copy_(start[t])  # (B, K, 1)
            torch.mul(turns[0][t], places[0][t], out=moved[t])  # (B, K, N)
            moved[t].addcmul_(turns[1][t], places[1][t]).addcmul_(turns[2][t], places[2][t])  # (B, K, N)
            torch.pow(moved[t], power[t], out=sharp[t])  # (B, K, N)
            torch.sum(sharp[t], 2, True, out=total[t]).add_(1e-16)  # (B, K, 1)
            torch.div(sharp[t], total[t], out=weights[t + 1])  # (B, K, N)
            lstm.read[t + 1].copy_(torch.bmm(flat[t], rows[t]).squeeze(1))  # (B, R)
            torch.lerp(rows[t], written[t], tall[t], out=rows[t + 1])  # (B, N, R)
        h, c, read = lstm.ends()
        reads, writes = tape.weights[:, :, 0], tape.weights[:, :, 1]
        outputs = (lstm.tape.seen[1:], h, c, tape.memory[-1], reads[-1], writes[-1], read, reads[1:])
        return tuple(part.clone() for part in outputs), (*lstm.tape, *cosine.tape, *tape)

    def backward(self, inputs: tuple[Tensor, ...], saved: tuple[Tensor, ...], grads: Grads) -> Grads:
        """All steps backwards."""
        x, width = inputs[0], inputs[6].shape[1]
        tape, lstm_weights = Tape(*saved[8:]), LstmWeights(*inputs[7:11])
        grad, into_h, into_c, into_memory, reading, writing, into_read = grads
        lstm = ControllerBack(
            LstmTape(*saved[:4]), lstm_weights, x.shape[2], grad, (into_h, into_c, into_read)
        )
        order = _order(width, x.device)
        weight = torch.cat(inputs[11:15:2])[order]
        heads, what = _heads(tape.said, width)
        keys, pair = heads[..., :width], heads[..., width::5]
        cosine = CosineBack(CosineTape(*saved[4:8]), keys, tape.soft[..., :1])
        steps, batch, slots = x.shape[0], x.shape[1], tape.memory.shape[2]
        power = tape.soft[..., 1:]
        slope = (tape.moved.pow(power - 1) * power).unbind(0)  # of the power, by its base ...
        steep = torch.xlogy(tape.sharp, tape.moved).unbind(0)  # ... and by its exponent
        apart = (tape.content - tape.weights[:-1]).unbind(0)
        chain = torch.ones_like(heads[..., width:])
        chain[..., ::5], chain[..., 1:2] = pair.sigmoid(), tape.gate * (1 - tape.gate)
        u = tape.weights[1:, :, 1]
        left, tall, wide = (
            (1 - u).unsqueeze(3).unbind(0),
            what.unsqueeze(2).unbind(0),
            u.unsqueeze(2).unbind(0),
        )
        memory = started(into_memory, tape.memory[0])  # (B, N, R)
        carry = torch.stack([started(reading, u[0]), started(writing, u[0])], 1)  # (B, K, N)
        read_carry, write_carry = carry.unbind(1)
        said = torch.empty_like(tape.said)
        into_heads, into_what = _heads(said, width)
        into_keys, scalars = into_heads[..., :width].unbind(0), into_heads[..., width:].unbind(0)
        raw = x.new_empty(batch, 2, 6)  # (B, K, 6)
        raw_strength, raw_gate, raw_shift, raw_power = raw[..., 0], raw[..., 1], raw[..., 2:5], raw[..., 5]
        ring = x.new_empty(batch, 2, slots + 2)  # (B, K, N + 2)
        sides = [ring[..., k : k + slots] for k in range(3)]  # 3 of (B, K, N)
        window = tape.ring.unfold(3, slots, 1).unbind(0)  # T of (B, K, 3, N)
        turns = [part.unbind(0) for part in torch.split(tape.shift, 1, 3)]
        rows, weights, content, gate, shift, total, unit, length, whole, chained, spoken = (
            part.unbind(0)
            for part in (tape.memory, tape.weights, tape.content, tape.gate, tape.shift, tape.total,
                         tape.unit, tape.length, said, chain, into_what)
        )  # fmt: skip
        read_weights = tape.weights[1:, :, 0].unsqueeze(3).unbind(0)
        for t in range(steps - 1, -1, -1):
            into_r = lstm.read[t + 1]  # (B, R)
            spoken[t].copy_(torch.bmm(wide[t], memory).squeeze(1))  # (B, R)
            write_carry.add_(torch.sub(tall[t], rows[t]).mul_(memory).sum(2))  # (B, N)
            read_carry.add_(torch.bmm(rows[t], into_r.unsqueeze(2)).squeeze(2))  # (B, N)
            memory.mul_(left[t]).baddbmm_(read_weights[t], into_r.unsqueeze(1))  # (B, N, R)
            by = torch.sub(carry, (carry * weights[t + 1]).sum(2, True)).div_(total[t])  # (B, K, N)
            torch.sum(by * steep[t], 2, out=raw_power)  # (B, K)
            torch.mul(by, slope[t], out=sides[1])  # (B, K, N)
            torch.sum(window[t] * sides[1].unsqueeze(2), 3, out=raw_shift)  # (B, K, 3)
            ring[..., 0].copy_(ring[..., slots])  # (B, K)
            ring[..., slots + 1].copy_(ring[..., 1])  # (B, K)
            mixed = turns[0][t] * sides[2]  # (B, K, N)
            mixed.addcmul_(turns[1][t], sides[1]).addcmul_(turns[2][t], sides[0])
            torch.sum(mixed * apart[t], 2, out=raw_gate)  # (B, K)
            inside = mixed * gate[t]  # (B, K, N)
            torch.sub(mixed, inside, out=carry)  # (B, K, N)
            inside = softmax_backward(inside, content[t], 2, inside.dtype)  # (B, K, N)
            cosine.step(t, inside, rows[t], memory, into_keys[t], raw_strength)
            raw_shift.copy_(softmax_backward(raw_shift, shift[t], 2, raw.dtype))  # (B, K, 3)
            torch.mul(raw, chained[t], out=scalars[t])  # (B, K, 6)
            into_unit = whole[t] @ weight  # (B, H)
            into_unit.addcmul_(unit[t], (into_unit * unit[t]).sum(1, True), value=-1)
            lstm.carry.addcdiv_(into_unit, length[t])  # (B, H)
            lstm.step(t)
        into_x, lstm_grads = lstm.finish(x)
        flat = said.view(steps * batch, -1)  # (TB, E)
        into_weight, into_bias = (flat.t() @ tape.unit.view(steps * batch, -1))[order], flat.sum(0)[order]
        cut = width + 6
        h, c, read = lstm.begin()
        begin = (h, c, memory, read_carry, write_carry, read)
        reader, writer = (into_weight[:cut], into_bias[:cut]), (into_weight[cut:], into_bias[cut:])
        return (into_x, *begin, *lstm_grads, *reader, *writer)


def _heads(said: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Views of what both heads say (T, B, 2, R + 6) and of the vector to write (T, B, R)."""
    cut = 2 * (width + 6)
    return torch.unflatten(said[..., :cut], 2, (2, width + 6)), said[..., cut:]


def _order(width: int, device: torch.device) -> Tensor:
    """Rows of both heads' layers with the three shifts reversed (its own inverse): a shift by k then reads
    the ring at k steps from its start.
    """
    first, second, end = width + 2, 2 * width + 8, 3 * width + 12
    parts = (
        (0, first, 1),
        (first + 2, first - 1, -1),
        (first + 3, second, 1),
        (second + 2, second - 1, -1),
        (second + 3, end, 1),
    )
    return torch.cat([torch.arange(*part, device=device) for part in parts])
