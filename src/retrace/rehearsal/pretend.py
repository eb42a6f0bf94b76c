"""An accelerator played by the CPU: tensors "on" it are marked, and mixing them with others fails as on CUDA.

A marked tensor is a CPU tensor whose class is `Marked`; it says that it lies on cuda:0. Every call of PyTorch
is looked at before it computes. Seen are tensors of two devices in one operation, a generator of the other
device, an array taken of a tensor not fetched, and a CPU tensor indexed by a marked one. Not seen are memory,
kernels that CUDA lacks, its random streams and rounding; graphs and events are plain calls here.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from retrace.rehearsal.places import own

CUDA = torch.device("cuda:0")

# these may be given tensors of both devices, or give none of the device's
FREE = {
    "copy_",
    "type",
    "backward",
    "set_",
    "new_tensor",
    "is_same_size",
    "_has_compatible_shallow_copy_type",
}
VIEWS = ("grad", "T", "mT", "H", "mH", "data", "real", "imag", "_base")  # properties that are tensors
WAITS = (
    "item",
    "tolist",
    "__bool__",
    "__float__",
    "__int__",
    "__index__",
    "nonzero",
    "masked_select",
    "unique",
)
PLAIN = (*WAITS[:6], "__len__", "size")  # give numbers


class Marked(Tensor):
    """A tensor on the pretended accelerator."""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Outside `pretended` a marked tensor computes as any other."""
        return _raw(func, args, kwargs or {})


@dataclass
class Tally:
    """What was done on the pretended device, counted by the line of this library that asked for it.

    `waits`: the host waited for a number, an array or the size of a result; `doubles`: float64 was computed.
    """

    calls: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    doubles: Counter[str] = field(default_factory=Counter)


@contextmanager
def pretended() -> Iterator[Tally]:
    """Within it "cuda" is a device; what it counted is whole at the end. One at a time in a process.

    Mixed devices raise RuntimeError, arrays of tensors on the device TypeError, both with CUDA's words.
    """
    mode = _Pretended()
    swaps = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        for place, name, value in _stand_ins(mode):
            stack.enter_context(patch.object(place, name, value))
        # a parameter that moves becomes another one: `.data` cannot change its class
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, swaps)
        stack.enter_context(mode)
        yield mode.tally


def on_device(tensor: Tensor) -> bool:
    """Whether the tensor lies on the pretended accelerator."""
    return type(tensor) is Marked


class _Pretended(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()
        self.generators: dict[int, torch.Generator] = {}  # of the device; kept, so that no id comes twice

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, given = getattr(func, "__name__", str(func)), dict(kwargs or {})
        own = _SPECIAL.get(name)
        if own is not None:
            return own(self, func, args, given)
        return self._operation(name, func, args, given)

    def _operation(self, name: str, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        found = [*_tensors(args), *_tensors(kwargs)]
        ours = [t for t in found if on_device(t)]
        asked = _type(kwargs.get("device"))
        there = asked == "cuda" or (asked is None and bool(ours))
        if asked == "cuda":
            kwargs = {**kwargs, "device": torch.device("cpu")}
        self._check_generator(name, kwargs.get("generator"), there)
        if name in ("__getitem__", "__setitem__"):
            there = on_device(args[0])
            _check_index(name, args[0], list(_tensors(args[1])))
        elif ours and name not in FREE and not name.startswith("__set"):
            _check_mixed(name, found)
        if ours:
            self._count(name, args)
        out = _raw(func, args, kwargs)
        if name in PLAIN or any(out is t for t in found):
            return out
        if name == "grad":
            wanted = args[1] if len(args) > 1 else kwargs["inputs"]
            wanted = [wanted] if isinstance(wanted, Tensor) else list(wanted)
            return tuple(_mark(o) if on_device(w) else o for o, w in zip(out, wanted, strict=True))
        if not there:
            return out
        if any(t.dtype is torch.float64 for t in _tensors(out)):
            self.tally.doubles[_line()] += 1
        return _mark(out)

    def _count(self, name: str, args: Sequence[Any]) -> None:
        self.tally.calls += 1
        by_mask = name in ("__getitem__", "__setitem__") and any(
            t.dtype is torch.bool and t.dim() for t in _tensors(args[1])
        )
        if name in WAITS or by_mask or (name == "where" and len(args) == 1):
            self.tally.waits[_line()] += 1

    def _check_generator(self, name: str, generator: torch.Generator | None, there: bool) -> None:
        if generator is not None and (id(generator) in self.generators) != there:
            kinds = ("cuda", "cpu") if there else ("cpu", "cuda")
            raise RuntimeError(
                f"{name}: expected a {kinds[0]!r} device type for generator, found {kinds[1]!r}"
            )

    def generator_class(self) -> type:
        """What stands in for `torch.Generator`: a class, since annotations name it."""
        known = self.generators

        class Generator(metaclass=_Generators):
            def __new__(cls, device: Any = "cpu") -> Any:
                made = _GENERATOR()
                if _type(device) == "cuda":
                    known[id(made)] = made
                return made

        return Generator


_GENERATOR = torch.Generator


class _Generators(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _GENERATOR)


def _get(mode: _Pretended, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A property of a tensor."""
    owner, tensor = getattr(getattr(func, "__self__", None), "__name__", ""), args[0]
    if owner == "device" and on_device(tensor):
        return CUDA
    if owner == "is_cuda":
        return on_device(tensor)
    out = _raw(func, args, kwargs)
    return _mark(out) if out is not None and on_device(tensor) and owner in VIEWS else out


def _set(mode: _Pretended, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A property of a tensor set or deleted; new data bring their device."""
    out = _raw(func, args, kwargs)
    if getattr(getattr(func, "__self__", None), "__name__", "") == "data":
        if on_device(args[1]):
            _mark(args[0])
        elif on_device(args[0]):
            args[0].__class__ = nn.Parameter if getattr(args[0], "_is_param", False) else Tensor
    return out


def _to(mode: _Pretended, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    tensor, rest, words = args[0], list(args[1:]), dict(kwargs)
    now = want = "cuda" if on_device(tensor) else "cpu"
    if rest and isinstance(rest[0], Tensor):
        words["other"] = rest.pop(0)
    if "other" in words:
        other = words.pop("other")
        want, words["dtype"] = ("cuda" if on_device(other) else "cpu"), other.dtype
    elif rest and isinstance(rest[0], str | torch.device | int):
        want = _type(rest.pop(0)) or now
    want = _type(words.pop("device", None)) or want
    rest = [kind for kind in rest if isinstance(kind, torch.dtype)]  # what else may follow is no matter here
    with torch._C.DisableTorchFunctionSubclass():
        out = tensor.to(*rest, **words) if rest or words else tensor
        if want == "cuda" and now == "cpu" and out is tensor:
            out = tensor.clone()
        if want == "cpu" and now == "cuda":
            mode.tally.waits[_line()] += 1
            return _unmark(out.clone())
    if want == "cuda" and out.dtype is torch.float64 and out is not tensor:
        mode.tally.doubles[_line()] += 1
    return _mark(out) if want == "cuda" else out


def _cpu(mode: _Pretended, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    return _to(mode, func, (args[0], "cpu"), {})


def _cuda(mode: _Pretended, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    return _to(mode, func, (args[0], "cuda"), {})


def _array(mode: _Pretended, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    if on_device(args[0]):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
    return _raw(func, args, kwargs)


def _copied(mode: _Pretended, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """`copy.deepcopy` of a tensor keeps mark, parameter and need of a gradient."""
    tensor, memo = args
    if not on_device(tensor):
        return _raw(func, args, kwargs)
    if id(tensor) not in memo:
        with torch._C.DisableTorchFunctionSubclass():
            made = _mark(tensor.detach().clone()).requires_grad_(tensor.requires_grad)
        if getattr(tensor, "_is_param", False):
            made._is_param = True
        memo[id(tensor)] = made
    return memo[id(tensor)]


_SPECIAL: dict[str, Callable[[_Pretended, Any, Sequence[Any], dict[str, Any]], Any]] = {
    "__get__": _get,
    "__set__": _set,
    "__delete__": _set,
    "to": _to,
    "cpu": _cpu,
    "cuda": _cuda,
    "numpy": _array,
    "__array__": _array,
    "__deepcopy__": _copied,
}


def _check_mixed(name: str, found: list[Tensor]) -> None:
    others = [tuple(t.shape) for t in found if not on_device(t) and t.dim()]
    if others:
        raise RuntimeError(
            f"{name}: expected all tensors to be on the same device, but found at least two devices, cuda:0 "
            f"and cpu (of shapes {others[:3]})"
        )


def _check_index(name: str, tensor: Tensor, index: list[Tensor]) -> None:
    if not on_device(tensor) and any(on_device(t) and t.dim() for t in index):
        raise RuntimeError(
            f"{name}: indices should be either on cpu or on the same device as the indexed tensor (cpu)"
        )


def _raw(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _mark(value: Any) -> Any:
    """Mark a tensor, or those of a tuple, in place."""
    if isinstance(value, Tensor):
        if not on_device(value):
            parameter = isinstance(value, nn.Parameter)
            value.__class__ = Marked
            if parameter:
                value._is_param = True  # type: ignore[attr-defined]
    elif isinstance(value, tuple | list):
        for one in value:
            _mark(one)
    return value


def _unmark(tensor: Tensor) -> Tensor:
    tensor.__class__ = Tensor
    return tensor


def _tensors(value: Any, deep: int = 0) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | dict) and deep < 4:
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors(one, deep + 1)


def _type(device: Any) -> str | None:
    if isinstance(device, int):
        return "cuda"
    return None if device is None else str(device).split(":")[0]


def _line() -> str:
    """The nearest line of this library, this package aside."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if (place := own(file)) and not place.startswith("rehearsal/"):
            return f"{place}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"


class _Event:
    """Stands in for `torch.cuda.Event`."""

    def __init__(self, enable_timing: bool = False) -> None:
        self._at = 0.0

    def record(self) -> None:
        self._at = time.perf_counter()

    def synchronize(self) -> None: ...

    def elapsed_time(self, end: _Event) -> float:
        return 1000 * (end._at - self._at)


def _stand_ins(mode: _Pretended) -> Iterator[tuple[Any, str, Any]]:
    """What has no tensor among its arguments, or loses the mark: place, name, what stands there meanwhile."""
    import torch._functorch.eager_transforms as gradients
    import torch._functorch.vmap as stacking
    import torch.utils.checkpoint as again

    fork = torch.random.fork_rng
    yield torch, "Generator", mode.generator_class()
    yield torch.random, "fork_rng", lambda devices=(), **words: fork(devices=[], **words)
    yield torch.cuda, "is_available", lambda: True
    yield torch.cuda, "get_device_name", lambda *_: "a pretended accelerator"
    yield torch.cuda, "manual_seed_all", lambda *_: None
    yield torch.cuda, "synchronize", lambda *_: None
    yield torch.cuda, "_lazy_init", lambda: None
    yield torch.cuda, "Event", _Event
    yield torch.cuda, "make_graphed_callables", lambda call, *_, **__: call
    # what a backward pass computes again, nobody looks at: it has no marks
    alike = {"default": lambda tensor: (tensor.shape, tensor.dtype)}
    yield again, "_allowed_determinism_checks_to_fns", alike
    yield nn.RNNBase, "flatten_parameters", lambda self: None
    for name in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):
        if hasattr(torch.optim.Optimizer, name):
            yield torch.optim.Optimizer, name, lambda self: None
    wrapped = ((stacking, "_add_batch_dim"), (stacking, "_remove_batch_dim"))
    for place, name in (*wrapped, (gradients, "_wrap_for_grad"), (gradients, "_unwrap_for_grad")):
        yield place, name, _keeping(getattr(place, name))


def _keeping(func: Callable[..., Any]) -> Callable[..., Any]:
    """A function of functorch that would lose the mark of its first argument."""

    def call(value: Any, *rest: Any) -> Any:
        marked = isinstance(value, Tensor) and on_device(value)
        out = _raw(func, (value, *rest), {})
        return _mark(out) if marked else out

    return call
