"""K models of one architecture as one object: their tensors stacked along a new first axis."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from retrace.nets.targets import Target
from retrace.stage import Array

Tensors = dict[str, Tensor]
_CHAIN = (nn.Flatten, nn.Linear, nn.ReLU, nn.Tanh, nn.Identity)
GPU_PARAMETERS = 100_000_000  # parameters that train together on an accelerator; more go group by group


@dataclass(frozen=True)
class Touched:
    """A linear layer seen by one pass: its name, its inputs (G,in,B) and its outputs (G,out,B)."""

    name: str
    inputs: Tensor
    outputs: Tensor


class Shadows:
    """G models: `params` and `buffers` map a name to a tensor (G,...); `numbers` are theirs among all K.

    Perceptrons run as one batched matrix product a layer, a single model runs as it is, anything else
    through vmap. Nothing here knows which models are targets and which are shadows.
    """

    def __init__(
        self, base: Target, params: Mapping[str, Tensor], buffers: Tensors, numbers: Sequence[int]
    ) -> None:
        self.base = base
        self.params = {name: nn.Parameter(value.detach().clone()) for name, value in params.items()}
        self.buffers = {name: value.clone() for name, value in buffers.items()}
        self.numbers = tuple(numbers)
        self.chained = _is_chain(base)

    @classmethod
    def initial(
        cls, build: Callable[[int], Target], seeds: Sequence[int], numbers: Sequence[int], device: str = "cpu"
    ) -> Shadows:
        """Fresh models, model i drawn by `build(seeds[i])`."""
        nets = [build(seed).to(device) for seed in seeds]
        params = {
            k: torch.stack([dict(n.named_parameters())[k].detach() for n in nets])
            for k, _ in nets[0].named_parameters()
        }
        buffers = {
            k: torch.stack([dict(n.named_buffers())[k] for n in nets]) for k, _ in nets[0].named_buffers()
        }
        return cls(nets[0], params, buffers, numbers)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(iter(self.params.values())).device

    @property
    def layered(self) -> bool:
        """Whether a tape can say what each layer saw: a perceptron with a linear head."""
        return self.chained and isinstance(self.base.head, nn.Linear)

    def __len__(self) -> int:
        return len(self.numbers)

    def copy(self) -> Shadows:
        """Independent models with the same values."""
        return Shadows(copy.deepcopy(self.base), self.params, self.buffers, self.numbers)

    def forward(
        self, x: Tensor, train: bool = False, tape: list[Touched] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (G,B,classes) and representations (G,B,D) of x (G,B,...).

        `train` is the mode of dropout and batch norm. A `tape` is filled with the linear layers passed;
        ValueError where the models are not `layered`.
        """
        self.base.train(train)
        if tape is not None and not self.layered:
            raise ValueError("only a perceptron with a linear head can say what its layers saw")
        if self.chained:
            return self._chain(x, tape)
        if len(self) == 1:
            own = {k: v.squeeze(0) for k, v in (self.params | self.buffers).items()}
            logits, features = functional_call(self.base, own, (x.squeeze(0),))
            return logits.unsqueeze(0), features.unsqueeze(0)
        both: tuple[Tensor, Tensor] = vmap(self._one, randomness="different")(
            dict(self.params), self.buffers, x
        )
        return both

    def _one(self, params: Tensors, buffers: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
        both: tuple[Tensor, Tensor] = functional_call(self.base, (params, buffers), (x,))
        return both

    def _chain(self, x: Tensor, tape: list[Touched] | None) -> tuple[Tensor, Tensor]:
        # features before examples (G,D,B): then a weight's gradient comes out in the weight's own layout,
        # which saves a copy of all weights a step
        h = x.flatten(2).transpose(1, 2)
        for name, module in self.base.body.named_children():
            if isinstance(module, nn.Linear):
                h = self._linear(f"body.{name}", h, tape)
            elif not isinstance(module, nn.Flatten):
                h = module(h)
        features = h.transpose(1, 2)
        if isinstance(self.base.head, nn.Linear):
            return self._linear("head", h, tape).transpose(1, 2), features
        own = {k.removeprefix("head."): v for k, v in self.params.items() if k.startswith("head.")}
        head = self.base.head
        both: tuple[Tensor, Tensor] = vmap(
            lambda p, z: functional_call(head, p, (z,)), randomness="different"
        )(own, features)
        return both

    def _linear(self, name: str, h: Tensor, tape: list[Touched] | None) -> Tensor:
        weight, bias = self.params[f"{name}.weight"], self.params[f"{name}.bias"]
        out = torch.baddbmm(bias.unsqueeze(2), weight, h)
        if tape is not None:
            tape.append(Touched(name, h, out))
        return out

    @torch.no_grad()
    def predict(self, x: Tensor, batch: int = 1000) -> tuple[Tensor, Tensor]:
        """Logits (G,N,classes) and representations (G,N,D) of shared x (N,...) in evaluation mode."""
        parts = [self.forward(part.expand(len(self), *part.shape)) for part in torch.split(x, batch)]
        return torch.cat([logits for logits, _ in parts], 1), torch.cat([h for _, h in parts], 1)

    def arrays(self) -> dict[str, Array]:
        """Parameters and buffers as arrays (G,...) by name."""
        tensors = {**self.params, **self.buffers}
        return {name: np.ascontiguousarray(t.detach().cpu().numpy()) for name, t in tensors.items()}

    def loaded(self, arrays: Mapping[str, Array]) -> Shadows:
        """Models of this architecture with the values that `arrays` gave."""

        def here(name: str) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(arrays[name])).to(self.device)

        return Shadows(
            self.base, {k: here(k) for k in self.params}, {k: here(k) for k in self.buffers}, self.numbers
        )

    def of(self, places: Sequence[int]) -> Shadows:
        """The models at these places."""
        index = torch.as_tensor(places, device=self.device)
        numbers = [self.numbers[i] for i in places]
        return Shadows(
            self.base,
            {k: v[index] for k, v in self.params.items()},
            {k: v[index] for k, v in self.buffers.items()},
            numbers,
        )


def _is_chain(net: Target) -> bool:
    return isinstance(net.body, nn.Sequential) and all(isinstance(m, _CHAIN) for m in net.body)


def join(parts: Sequence[Shadows]) -> Shadows:
    """One object of all the models of `parts`, in their order."""
    first = parts[0]
    params = {k: torch.cat([p.params[k].detach() for p in parts]) for k in first.params}
    buffers = {k: torch.cat([p.buffers[k] for p in parts]) for k in first.buffers}
    return Shadows(first.base, params, buffers, [n for p in parts for n in p.numbers])


def groups(base: Target, models: int, device: str) -> list[range]:
    """The models that train together, as ranges of places.

    Measured on one CPU core: 16 perceptrons of 26,000 parameters train 6 times faster together than one
    by one with a DataLoader, while convolutions under vmap lose to the loop; so a CPU stacks perceptrons
    only. An accelerator stacks everything but attention, as many models as `GPU_PARAMETERS` allow.
    """
    size = 1
    if _is_chain(base):
        size = models
    elif device != "cpu" and not any(isinstance(m, nn.MultiheadAttention) for m in base.modules()):
        size = max(1, min(models, GPU_PARAMETERS // sum(p.numel() for p in base.parameters())))
    cuts = [*range(0, models, size), models]
    return [range(low, high) for low, high in pairwise(cuts)]
