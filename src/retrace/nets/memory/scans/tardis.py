"""TARDIS's scan: an LSTM step whose candidate sees h and read through two scalar gates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrace.nets.memory.cell import FORGET
from retrace.nets.memory.derivatives import sigmoid_backward, tanh_backward
from retrace.nets.memory.scans.node import Grads, started
from retrace.nets.memory.scans.picking import Address, AddressBack, AddressTape, AddressWeights

SHARPNESS = 10 / 3  # of the scalar gates


class TardisWeights(NamedTuple):
    """Weights and biases of the address layer's part of [x; c] (I), the gates (3H), the scalars (2), the
    candidate (H) and the write vector (R).
    """

    address: Tensor
    address_bias: Tensor
    gates: Tensor
    gates_bias: Tensor
    scalars: Tensor
    scalars_bias: Tensor
    candidate: Tensor
    candidate_bias: Tensor
    write: Tensor
    write_bias: Tensor


class Tape(NamedTuple):
    """gates (T, B, 3H + 2) i, f, o, alpha, beta activated; seen (T + 1, B, H + R), row t is [h before step t;
    r of step t]; scaled (T, B, H + R) the same behind alpha and beta; candidate, squashed (tanh of the next
    c), (T, B, H); c (T + 1, B, H); written (T, B, R); chosen flat rows (T, B).
    """

    gates: Tensor
    seen: Tensor
    scaled: Tensor
    candidate: Tensor
    squashed: Tensor
    c: Tensor
    written: Tensor
    chosen: Tensor


class TardisLoop:
    """Inputs: x (T, B, X); h, c, memory, usage, last; `AddressWeights`; `TardisWeights`.

    Outputs: [h; r] (T, B, H + R), the five parts of the state after the last step, reads (T, B, N).
    """

    def __init__(self, noise: Tensor | None, kappa: float, before: int) -> None:
        """noise (T, B, N + 2): of the slots' scores and of the scalar gates' logits."""
        self.noise, self.kappa, self.before = noise, kappa, before

    def forward(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """All steps."""
        x, h, c, memory, usage, last = inputs[:6]
        (steps, batch, size), (slots, width), hidden = x.shape, memory.shape[1:], h.shape[1]
        w, flat, new = TardisWeights(*inputs[10:]), x.reshape(steps * batch, size), x.new_empty
        noise, gates_bias = self.noise, w.gates_bias.clone()
        gates_bias[hidden : 2 * hidden] += FORGET
        from_gates, bias = _joined(w), torch.cat([gates_bias, SHARPNESS * w.scalars_bias])
        gates, candidate, written, logits = (
            torch.addmm(offset, flat, weight[:, :size].t()).view(steps, batch, -1)
            for offset, weight in (
                (bias, from_gates),
                (w.candidate_bias, w.candidate),
                (w.write_bias, w.write),
                (w.address_bias, w.address),
            )
        )
        if noise is not None:
            gates[..., 3 * hidden :].add_(noise[..., slots:], alpha=SHARPNESS)
        tape = Tape(
            gates=gates,
            seen=new(steps + 1, batch, hidden + width),
            scaled=new(steps, batch, hidden + width),
            candidate=candidate,
            squashed=new(steps, batch, hidden),
            c=new(steps + 1, batch, hidden),
            written=written,
            chosen=torch.empty(steps, batch, dtype=torch.long, device=x.device),
        )
        tape.seen[0, :, :hidden], tape.seen[-1, :, hidden:], tape.c[0] = h, 0, c
        address = Address(
            AddressWeights(*inputs[6:10]),
            memory,
            (usage, last, self.before),
            None if noise is None else noise[..., :slots],
            steps,
        )
        memory = memory.clone(memory_format=torch.contiguous_format)
        columns, rows = memory.unbind(1), memory.view(batch * slots, width)
        by_gates, by_candidate, by_write, by_address = (
            weight[:, size:].t().contiguous() for weight in (from_gates, w.candidate, w.write, w.address)
        )
        activated, both, scaled, inner, squashed, cells, what, chosen = (part.unbind(0) for part in tape)
        own, read = tape.seen[..., :hidden].unbind(0), tape.seen[..., hidden:].unbind(0)
        scaled_h, scaled_r = (part.unbind(0) for part in torch.split(tape.scaled, [hidden, width], 2))
        i, f, o, alpha, beta = (part.unbind(0) for part in torch.split(gates, [*[hidden] * 3, 1, 1], 2))
        said = logits.unbind(0)
        for t in range(steps):
            address.pick(t, said[t].addmm_(cells[t], by_address), chosen[t])
            read[t].copy_(rows[chosen[t]])  # (B, R)
            activated[t].addmm_(both[t], by_gates).sigmoid_()  # (B, 3H + 2)
            torch.mul(own[t], alpha[t], out=scaled_h[t])  # (B, H)
            torch.mul(read[t], beta[t], out=scaled_r[t])  # (B, R)
            inner[t].addmm_(scaled[t], by_candidate).tanh_()  # (B, H)
            torch.mul(cells[t], f[t], out=cells[t + 1]).addcmul_(i[t], inner[t])  # (B, H)
            torch.tanh(cells[t + 1], out=squashed[t])  # (B, H)
            torch.mul(squashed[t], o[t], out=own[t + 1])  # (B, H)
            what[t].addmm_(own[t + 1], by_write)  # (B, R)
            if self.before + t < slots:
                columns[self.before + t].copy_(what[t])  # (B, R)
            else:
                rows.index_copy_(0, chosen[t], what[t])  # (BN, R)
            address.wrote(t, what[t])
        out = torch.cat([tape.seen[1:, :, :hidden], tape.seen[:-1, :, hidden:]], 2)
        ends = (tape.seen[-1, :, :hidden], tape.c[-1], address.tape.usage[-1], address.tape.last[-1])
        h, c, usage, last = (part.clone() for part in ends)
        outputs = (out, h, c, memory, usage, last, address.tape.last[1:].clone())
        return outputs, (memory, *tape, *address.tape)

    def backward(self, inputs: tuple[Tensor, ...], saved: tuple[Tensor, ...], grads: Grads) -> Grads:
        """All steps backwards."""
        x, h, memory = inputs[0], inputs[1], inputs[3]
        (steps, batch, size), hidden = x.shape, h.shape[1]
        width = memory.shape[2]
        w, tape = TardisWeights(*inputs[10:]), Tape(*saved[1:9])
        grad, into_h, into_c, into_memory, usage, last = grads
        own, read = (part.unbind(0) for part in torch.split(tape.seen, [hidden, width], 2))
        walk = AddressBack(
            AddressWeights(*inputs[6:10]),
            AddressTape(*saved[9:]),
            (memory, saved[0]),
            (tape.chosen, read, tape.written.unbind(0)),
            (into_memory, usage, last),
            self.kappa,
            self.before,
        )
        i, f, o = tape.gates[..., : 3 * hidden].chunk(3, 2)
        scalar = tape.gates[..., 3 * hidden :]
        new = x.new_empty
        through = new(steps, batch, 2, hidden)  # d c / d(logits of i, f)
        sigmoid_backward(tape.candidate, i, grad_input=through[:, :, 0])
        sigmoid_backward(tape.c[:-1], f, grad_input=through[:, :, 1])
        by_o, by_c, by_inner = (torch.empty_like(tape.squashed) for _ in range(3))
        sigmoid_backward(tape.squashed, o, grad_input=by_o)
        tanh_backward(o, tape.squashed, grad_input=by_c)
        tanh_backward(i, tape.candidate, grad_input=by_inner)
        slope = (scalar * (1 - scalar)).unbind(0)  # T of (B, 2)
        logits, inner = torch.empty_like(tape.gates), torch.empty_like(tape.candidate)
        written, said = torch.empty_like(tape.written), new(steps, batch, w.address.shape[0])
        two = torch.unflatten(logits[..., : 2 * hidden], 2, (2, hidden)).unbind(0)
        third, pair = logits[..., 2 * hidden : 3 * hidden].unbind(0), logits[..., 3 * hidden :].unbind(0)
        whole, inners, what, common = (part.unbind(0) for part in (logits, inner, written, said))
        through_, by_o_, by_c_, by_inner_ = (part.unbind(0) for part in (through, by_o, by_c, by_inner))
        alpha, beta = (part.unbind(0) for part in torch.split(scalar, 1, 2))
        from_gates = _joined(w)
        to_both, to_scaled, to_h, to_c = (
            weight[:, size:].contiguous() for weight in (from_gates, w.candidate, w.write, w.address)
        )
        out = new(steps, batch, hidden + width).zero_() if grad is None else grad
        out_h, out_r = (part.unbind(0) for part in torch.split(out, [hidden, width], 2))
        both, sums = new(batch, hidden + width), new(batch, 2)
        both_h, both_r = torch.split(both, [hidden, width], 1)
        carry_h, carry_c = started(into_h, h), started(into_c, h)
        wide, forget = carry_c.unsqueeze(1), f.unbind(0)
        for t in range(steps - 1, -1, -1):
            walk.write(t, what[t])
            carry_h.add_(out_h[t]).addmm_(what[t], to_h)  # (B, H)
            carry_c.addcmul_(carry_h, by_c_[t])  # (B, H)
            torch.mul(wide, through_[t], out=two[t])  # (B, 2, H)
            torch.mul(carry_h, by_o_[t], out=third[t])  # (B, H)
            torch.mul(carry_c, by_inner_[t], out=inners[t])  # (B, H)
            carry_c.mul_(forget[t])  # (B, H)
            scaled_h, scaled_r = torch.split(inners[t] @ to_scaled, [hidden, width], 1)  # (B, H), (B, R)
            torch.sum(scaled_h * own[t], 1, out=sums[:, 0])  # (B,)
            torch.sum(scaled_r * read[t], 1, out=sums[:, 1])  # (B,)
            torch.mul(sums, slope[t], out=pair[t])  # (B, 2)
            torch.mm(whole[t], to_both, out=both)  # (B, H + R)
            torch.addcmul(both_h, scaled_h, alpha[t], out=carry_h)  # (B, H)
            walk.reading(t, out_r[t] + both_r.addcmul_(scaled_r, beta[t]), common[t])
            carry_c.addmm_(common[t], to_c)  # (B, H)
        count, flat = steps * batch, x.reshape(steps * batch, size)
        before, after = tape.seen[:-1].view(count, -1), tape.seen[1:, :, :hidden].reshape(count, -1)
        into_x, parts = x.new_zeros(count, size), []
        for given, weight, seen in (
            (said, w.address, tape.c[:-1].view(count, -1)),
            (logits, from_gates, before),
            (inner, w.candidate, tape.scaled.view(count, -1)),
            (written, w.write, after),
        ):
            given = given.view(count, -1)  # (TB, ...)
            into_x.addmm_(given, weight[:, :size])  # (TB, X)
            parts += [torch.cat([given.t() @ flat, given.t() @ seen], 1), given.sum(0)]
        cut = 3 * hidden
        address, address_bias, gates, gates_bias, *others = parts
        first, usage, last, address_parts = walk.finish()
        return (
            into_x.view(x.shape),
            carry_h,
            carry_c,
            first,
            usage,
            last,
            *address_parts,
            address,
            address_bias,
            gates[:cut],
            gates_bias[:cut],
            SHARPNESS * gates[cut:],
            SHARPNESS * gates_bias[cut:],
            *others,
        )


def _joined(w: TardisWeights) -> Tensor:
    """Gates and, sharpened, scalars as one layer."""
    return torch.cat([w.gates, SHARPNESS * w.scalars])
