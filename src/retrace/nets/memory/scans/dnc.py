"""The DNC's scan: weight gradients and what depends on x alone leave the loop."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.content import LEAST
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


class Tape(NamedTuple):
    """E = 4R + 8 numbers leave the interface. said (T, B, E); strengths (T, B, 2) of read and write key;
    erase (T, B, R); gates (T, B, 3): free, allocate, write; modes (T, B, 3); keep, used, content of the
    write, mixed, allocated, ordered usage, its products before, and order (T, B, N); choices (T, B, 3, N);
    memory (T + 1, B, N, R); usage, writing, precedence, reading (T + 1, B, N); links (T + 1, B, N, N).
    """

    said: Tensor
    strengths: Tensor
    erase: Tensor
    gates: Tensor
    modes: Tensor
    keep: Tensor
    used: Tensor
    content: Tensor
    mixed: Tensor
    allocated: Tensor
    ordered: Tensor
    before: Tensor
    order: Tensor
    choices: Tensor
    memory: Tensor
    usage: Tensor
    writing: Tensor
    precedence: Tensor
    reading: Tensor
    links: Tensor


class Carried(NamedTuple):
    """The parts of a state that a step hands to the next: memory (B, N, R), four weights (B, N), links."""

    memory: Tensor
    usage: Tensor
    writing: Tensor
    precedence: Tensor
    reading: Tensor
    links: Tensor


class Said(NamedTuple):
    """What leaves the interface, part by part; keys (..., 1, R)."""

    read_key: Tensor
    write_key: Tensor
    strengths: Tensor
    erase: Tensor
    what: Tensor
    gates: Tensor
    modes: Tensor


def parts(said: Tensor) -> Said:
    """Views of (T, B, E)."""
    r = (said.shape[2] - 8) // 4
    return Said(
        said[..., :r].unsqueeze(2),
        said[..., r + 1 : 2 * r + 1].unsqueeze(2),
        said[..., r : 2 * r + 2 : r + 1],
        said[..., 2 * r + 2 : 3 * r + 2],
        said[..., 3 * r + 2 : 4 * r + 2],
        said[..., -6:-3],
        said[..., -3:],
    )


class DncLoop:
    """Inputs: x (T, B, X), the state's nine parts, the LSTM's four weights, interface weight and bias.

    Outputs: [h; read] (T, B, H + R), the state's parts after the last step, read weights (T, B, N).
    """

    def forward(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """All steps."""
        x, h, c, *kept, read = inputs[:10]
        begin = Carried(*kept)
        slots = begin.memory.shape[1]
        lstm, weight = Controller(x, h, c, read, LstmWeights(*inputs[10:14])), inputs[14].t().contiguous()
        tape, bias, one = _tape(x, begin), inputs[15], x.new_ones(())
        named = parts(tape.said)
        strengths = tape.strengths.unsqueeze(3)
        reader = Cosine(named.read_key, strengths[:, :, :1], slots)
        writer = Cosine(named.write_key, strengths[:, :, 1:], slots)
        (said, strength, erase, gates, modes, keep, used, content, mixed, allocated, ordered, before, order,
         choices, rows, usage, writing, precedence, reading, link) = _each(tape)  # fmt: skip
        raw_strength, raw_erase, raw_gates, raw_modes = (
            part.unbind(0) for part in (named.strengths, named.erase, named.gates, named.modes)
        )
        what, tall_w = named.what.unsqueeze(2).unbind(0), tape.writing.unsqueeze(3).unbind(0)
        wide_e, flat_modes = tape.erase.unsqueeze(2).unbind(0), tape.modes.unsqueeze(2).unbind(0)
        free, share, gate = (part.unbind(0) for part in torch.split(tape.gates, 1, 2))
        back, ahead = tape.choices[:, :, :1].unbind(0), tape.choices[:, :, 2].unbind(0)
        found = tape.choices[:, :, 1:2].unbind(0)
        products, diagonal = tape.before[..., 1:].unbind(0), tape.links.diagonal(0, 2, 3).unbind(0)
        for t in range(len(x)):
            lstm.step(t)
            torch.addmm(bias, lstm.h[t + 1], weight, out=said[t])  # (B, E)
            torch.ops.aten.softplus.out(raw_strength[t], out=strength[t]).add_(1)  # (B, 2)
            torch.sigmoid(raw_erase[t], out=erase[t])  # (B, R)
            torch.sigmoid(raw_gates[t], out=gates[t])  # (B, 3)
            torch.softmax(raw_modes[t], 1, out=modes[t])  # (B, 3)
            torch.addcmul(one, free[t], reading[t], value=-1, out=keep[t])  # (B, N)
            torch.lerp(usage[t], one, writing[t], out=used[t])  # (B, N)
            torch.mul(used[t], keep[t], out=usage[t + 1])  # (B, N)
            torch.softmax(writer.scores(t, rows[t]).squeeze(1), 1, out=content[t])  # (B, N)
            torch.sort(usage[t + 1], dim=1, out=(ordered[t], order[t]))  # (B, N) each
            ordered[t].mul_(1 - LEAST).add_(LEAST)
            torch.cumprod(ordered[t][:, :-1], 1, out=products[t])  # (B, N - 1)
            allocated[t].scatter_(1, order[t], (1 - ordered[t]).mul_(before[t]))  # (B, N)
            torch.lerp(content[t], allocated[t], share[t], out=mixed[t])  # (B, N)
            w = torch.mul(mixed[t], gate[t], out=writing[t + 1])  # (B, N)
            change = torch.sub(what[t], rows[t] * wide_e[t])  # (B, N, R)
            torch.addcmul(rows[t], tall_w[t + 1], change, out=rows[t + 1])  # (B, N, R)
            either = tall_w[t + 1] + w.unsqueeze(1)  # (B, N, N)
            torch.addcmul(link[t], either, link[t], value=-1, out=link[t + 1])  # (B, N, N)
            link[t + 1].addcmul_(tall_w[t + 1], precedence[t].unsqueeze(1))  # (B, N, N)
            diagonal[t + 1].zero_()  # (B, N)
            torch.addcmul(w, 1 - w.sum(1, True), precedence[t], out=precedence[t + 1])  # (B, N)
            back[t].copy_(torch.bmm(reading[t].unsqueeze(1), link[t + 1]))  # (B, 1, N)
            ahead[t].copy_(torch.bmm(link[t + 1], reading[t].unsqueeze(2)).squeeze(2))  # (B, N)
            found[t].copy_(torch.softmax(reader.scores(t, rows[t + 1]), 2))  # (B, 1, N)
            torch.bmm(flat_modes[t], choices[t], out=reading[t + 1].unsqueeze(1))  # (B, 1, N)
            lstm.read[t + 1].copy_(torch.bmm(reading[t + 1].unsqueeze(1), rows[t + 1]).squeeze(1))  # (B, R)
        h, c, read = lstm.ends()
        last = [getattr(tape, name)[-1] for name in Carried._fields]
        parts_after = (lstm.tape.seen[1:], h, c, *last, read, tape.reading[1:])
        outputs = tuple(part.clone() for part in parts_after)
        return outputs, (*lstm.tape, *reader.tape, *writer.tape, *tape)

    def backward(self, inputs: tuple[Tensor, ...], saved: tuple[Tensor, ...], grads: Grads) -> Grads:
        """All steps backwards."""
        x, tape = inputs[0], Tape(*saved[12:])
        grad, into_h, into_c, into_memory, *into, into_links, into_read = grads
        ends = (into_h, into_c, into_read)
        lstm = ControllerBack(LstmTape(*saved[:4]), LstmWeights(*inputs[10:14]), x.shape[2], grad, ends)
        named, said = parts(tape.said), torch.empty_like(tape.said)
        strengths = tape.strengths.unsqueeze(3)
        reader = CosineBack(CosineTape(*saved[4:8]), named.read_key, strengths[:, :, :1])
        writer = CosineBack(CosineTape(*saved[8:12]), named.write_key, strengths[:, :, 1:])
        memory, links = started(into_memory, tape.memory[0]), started(into_links, tape.links[0])
        usage, w, precedence, reading = (started(g, tape.usage[0]) for g in into)
        (_, _, erase, _, modes, keep, used, content, mixed, _, ordered, before, order,
         choices, rows, used_before, writing, precedes, reads, link) = _each(tape)  # fmt: skip
        out = parts(said)
        read_key, write_key = out.read_key.unbind(0), out.write_key.unbind(0)
        strength, out_erase, out_what, out_gates, out_modes = (part.unbind(0) for part in out[2:])
        slope = torch.cat([named.strengths.sigmoid(), tape.gates * (1 - tape.gates)], 2).unbind(0)
        apart, whole = (tape.allocated - tape.content).unbind(0), said.unbind(0)
        what, tall_e = named.what.unsqueeze(3).unbind(0), tape.erase.unsqueeze(3).unbind(0)
        free, share, gate = (part.unbind(0) for part in torch.split(tape.gates, 1, 2))
        fade = (tape.erase * (tape.erase - 1)).unbind(0)
        diagonal, weight = links.diagonal(0, 1, 2), inputs[14]
        raw = x.new_empty(x.shape[1], 5)  # strengths of read and write key; free, allocate, write gate
        behind = torch.zeros_like(usage)
        for t in range(x.shape[0] - 1, -1, -1):
            into_r, after, last = lstm.read[t + 1], rows[t + 1], reads[t]  # (B, R), (B, N, R), (B, N)
            reading.add_(torch.bmm(after, into_r.unsqueeze(2)).squeeze(2))  # (B, N)
            memory.baddbmm_(reads[t + 1].unsqueeze(2), into_r.unsqueeze(1))  # (B, N, R)
            mode = torch.bmm(choices[t], reading.unsqueeze(2)).squeeze(2)  # (B, 3)
            out_modes[t].copy_(softmax_backward(mode, modes[t], 1, mode.dtype))
            back, found, ahead = torch.split(modes[t].unsqueeze(2) * reading.unsqueeze(1), 1, 1)
            score = softmax_backward(found, choices[t][:, 1:2], 2, found.dtype)  # (B, 1, N)
            reader.step(t, score, after, memory, read_key[t], raw[:, :1])
            links.baddbmm_(ahead.transpose(1, 2), last.unsqueeze(1)).baddbmm_(last.unsqueeze(2), back)
            diagonal.zero_()
            torch.bmm(ahead, link[t + 1], out=reading.unsqueeze(1))  # (B, 1, N)
            reading.add_(torch.bmm(link[t + 1], back.transpose(1, 2)).squeeze(2))  # (B, N)
            # precedence, then links
            now, prior = writing[t + 1], precedes[t]  # (B, N) each
            w.add_(precedence).sub_((precedence * prior).sum(1, True))  # (B, N)
            precedence.mul_(1 - now.sum(1, True))  # (B, N)
            precedence.add_(torch.bmm(now.unsqueeze(1), links).squeeze(1))  # (B, N)
            through = links * link[t]  # (B, N, N)
            w.add_(torch.bmm(links, prior.unsqueeze(2)).squeeze(2)).sub_(through.sum(2)).sub_(through.sum(1))
            links.addcmul_(now.unsqueeze(2) + now.unsqueeze(1), links, value=-1)  # (B, N, N)
            # the write
            through = memory * rows[t]  # (B, N, R)
            torch.mul(torch.bmm(now.unsqueeze(1), through).squeeze(1), fade[t], out=out_erase[t])  # (B, R)
            out_what[t].copy_(torch.bmm(now.unsqueeze(1), memory).squeeze(1))  # (B, R)
            w.add_(torch.bmm(memory, what[t]).squeeze(2)).sub_(torch.bmm(through, tall_e[t]).squeeze(2))
            memory.addcmul_(now.unsqueeze(2) * erase[t].unsqueeze(1), memory, value=-1)  # (B, N, R)
            torch.sum(w * mixed[t], 1, out=raw[:, 4])  # (B,)
            mix = w * gate[t]  # (B, N)
            torch.sum(mix * apart[t], 1, out=raw[:, 3])  # (B,)
            allocate = mix * share[t]  # (B, N)
            score = softmax_backward(mix.sub_(allocate), content[t], 1, mix.dtype).unsqueeze(1)  # (B, 1, N)
            writer.step(t, score, rows[t], memory, write_key[t], raw[:, 1:2])
            # allocation: a slot's usage counts for itself and for all that are used more
            share_of = allocate.gather(1, order[t])  # (B, N)
            product = (1 - ordered[t]).mul_(before[t]).mul_(share_of)  # (B, N)
            behind[:, :-1] = product.flip(1).cumsum(1).flip(1)[:, 1:]  # (B, N - 1)
            step = torch.div(behind, ordered[t]).addcmul_(share_of, before[t], value=-1).mul_(1 - LEAST)
            usage.scatter_add_(1, order[t], step)  # (B, N)
            # usage
            kept = usage * used[t]  # (B, N)
            torch.sum(kept * last, 1, out=raw[:, 2]).neg_()  # (B,)
            reading.addcmul_(kept, free[t], value=-1)  # (B, N)
            usage.mul_(keep[t])
            torch.mul(usage, 1 - used_before[t], out=w)  # (B, N)
            usage.addcmul_(usage, writing[t], value=-1)  # (B, N)
            raw.mul_(slope[t])  # (B, 5)
            strength[t].copy_(raw[:, :2])
            out_gates[t].copy_(raw[:, 2:])
            lstm.h[t + 1].addmm_(whole[t], weight)  # (B, H)
            lstm.step(t)
        into_x, lstm_grads = lstm.finish(x)
        h, c, read = lstm.begin()
        begin = (h, c, memory, usage, w, precedence, reading, links, read)
        return (into_x, *begin, *lstm_grads, *interface_grads(said, LstmTape(*saved[:4])))


def _each(tape: Tape) -> tuple[tuple[Tensor, ...], ...]:
    """Views of every step: one costs about as much as a small operation, so all are made at once."""
    return tuple(part.unbind(0) for part in tape)


def _tape(x: Tensor, begin: Carried) -> Tape:
    """Empty buffers; those that carry over hold `begin` in their first row."""
    steps, (batch, slots, width) = x.shape[0], begin.memory.shape

    def new(*sizes: int) -> Tensor:
        return x.new_empty(steps, batch, *sizes)

    def after(first: Tensor) -> Tensor:
        buffer = x.new_empty(steps + 1, *first.shape)
        buffer[0] = first
        return buffer

    return Tape(
        said=new(4 * width + 8),
        strengths=new(2),
        erase=new(width),
        gates=new(3),
        modes=new(3),
        keep=new(slots),
        used=new(slots),
        content=new(slots),
        mixed=new(slots),
        allocated=new(slots),
        ordered=new(slots),
        before=x.new_ones(steps, batch, slots),
        order=new(slots).long(),
        choices=new(3, slots),
        **{name: after(first) for name, first in begin._asdict().items()},
    )
