"""Layers on a device: what a call does is chosen once for each shape, then repeated."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from multiscale_gcn.nn.learned_block import LearnedBlock, Learning
from multiscale_gcn.nn.onlookers import HOOKS
from multiscale_gcn.ops.kernels.prepared import PreparedCalls, guard_of, may_be_prepared
from multiscale_gcn.ops.learning import Step

Place = Callable[[nn.Module, str], int]
"""Where a parameter or buffer of a module stands among the tensors of a layer."""

AsStep = Callable[[Place], "Step | None"]
"""Tells what a layer is in training, if it is one step."""

Made = TypeVar("Made")


class _Takes(Protocol):
    def takes(self, inputs: Sequence[Tensor], t: Sequence[Tensor]) -> bool: ...


Taker = TypeVar("Taker", bound=_Takes)

_OURS = ("torch.nn.modules.", "multiscale_gcn.nn.")
_HOOKS_OF_ALL = [getattr(torch_module, f"_global{name}") for name in HOOKS]
MOST_LAYOUTS = 64
"""Of the features that a layer remembers to have learned from."""


_OF_THE_START = {"__init__", "reset_parameters", "extra_repr"}


def class_of(module: nn.Module) -> type | None:
    """The class of this library or of PyTorch that says what a module does, if one does.

    A class derived from it may start otherwise.
    """
    for kind in type(module).__mro__:
        if kind.__module__.startswith(_OURS):
            return kind
        own = {name for name in vars(kind) if name in _OF_THE_START or not _is_of_python(name)}
        if own - _OF_THE_START:
            return None
    return None


def _is_of_python(name: str) -> bool:
    return (name[:2] == name[-2:] == "__" and name != "__call__") or name.startswith("_abc_")


def does_what_it_says(module: nn.Module, kind: type) -> bool:
    """Whether a call of the module is what its class does, and nobody watches it."""
    return (
        type(module) is kind
        and "forward" not in module.__dict__
        and not any(getattr(module, name) for name in HOOKS)
        and not any(_HOOKS_OF_ALL)
    )


class LayerCalls:
    """The calls of one layer, which copies of the layer do not take along."""

    def __init__(self) -> None:
        self._parts: dict[bool, _Parts] = {}  # in evaluation, and in training

    def __call__(
        self,
        layer: nn.Module,
        forward: Callable[[], Any],
        inputs: Sequence[Tensor],
        constants: Hashable = None,
        as_step: AsStep | None = None,
    ) -> Any:
        """What ``forward`` gives, which takes ``inputs`` through the layer.

        Parameters
        ----------
        layer : nn.Module
        forward : callable
            Without arguments: it reads the inputs, the layer and nothing else.
        inputs : sequence of Tensor
        constants : hashable
            All else that it depends on.
        as_step : callable, optional
            By which the layer is one function in training.
        """
        if torch.compiler.is_compiling() or not _on_device(inputs):
            return forward()
        if layer.training and as_step is None:
            return forward()
        parts = self._parts.get(layer.training)
        if parts is None or not parts.are_as_they_were(layer):
            parts = self._parts[layer.training] = _Parts(layer, as_step)
        if not parts.known:
            return forward()
        tensors = parts.tensors()
        if not layer.training:
            return parts.calls(forward, [*inputs, *tensors], constants)
        learning = parts.learning
        if learning is not None and parts.learns_from(learning.step, inputs, tensors):
            return LearnedBlock.apply(learning, len(inputs), *inputs, *tensors)
        return forward()

    def __reduce__(self) -> Any:
        return (LayerCalls, ())


def is_known(layer: nn.Module) -> bool:
    """Whether calls of the modules in a layer do what their classes say, and nothing more."""
    return _Parts(layer, None).known


def step_of(
    layer: nn.Module, as_step: Callable[[Place], Taker | None], inputs: Sequence[Tensor]
) -> tuple[Taker, list[Tensor]] | None:
    """What a layer of modules that are known is in training, with its tensors.

    None if it is none, or does not take the inputs.
    """
    parts = _Parts(layer, None)
    step = parts.as_step(as_step) if parts.known else None
    tensors = parts.tensors()
    if step is None or not may_be_prepared([*inputs, *tensors], learning=True):
        return None
    return (step, tensors) if step.takes(inputs, tensors) else None


def _on_device(inputs: Sequence[Any]) -> bool:
    first = inputs[0] if inputs else None
    return isinstance(first, Tensor) and first.is_cuda


class _Parts:
    """The modules of a layer as they were; tensors are looked up at every call.

    Attributes
    ----------
    calls : PreparedCalls
        Of the layer with these modules, in evaluation.
    learning : Learning or None
        What the layer is in training, if it is one step.
    known : bool
        Whether a call of the layer does what the classes of its modules say, and nothing more.
    """

    def __init__(self, layer: nn.Module, as_step: AsStep | None) -> None:
        modules = list(layer.modules())
        below = modules[1:]
        self._attributes = [module.__dict__ for module in modules]
        self._values = [dict(attributes) for attributes in self._attributes]
        self._modules, self._classes = modules, [type(module) for module in modules]
        self._children = [module._modules for module in modules if module._modules]
        self._members = [dict(children) for children in self._children]
        self._hooks = [getattr(module, name) for module in below for name in HOOKS]
        self._hooks += _HOOKS_OF_ALL
        self._places: list[tuple[dict[str, Any], str]] = []
        self._twins: list[tuple[dict[str, Any], str, Tensor]] = []
        self._numbers: dict[int, int] = {}
        for module in modules:
            for held in (module._parameters, module._buffers):
                for name, tensor in held.items():
                    if tensor is None:
                        continue
                    if id(tensor) in self._numbers:
                        self._twins.append((held, name, tensor))
                    else:
                        self._numbers[id(tensor)] = len(self._places)
                        self._places.append((held, name))
        self.known = (
            not any(self._hooks)
            and all(class_of(module) is not None for module in below)
            and not any("forward" in module.__dict__ for module in below)
        )
        self.calls = PreparedCalls()
        step = self.as_step(as_step) if as_step is not None and self.known else None
        self.learning = None if step is None else Learning(step)
        self._fitting: dict[tuple[torch.Size, ...], list[Callable[..., bool]]] = {}

    def as_step(self, as_step: Callable[[Place], Made | None]) -> Made | None:
        learned: list[int] = []

        def place(module: nn.Module, name: str) -> int:
            tensor = getattr(module, name)
            number = self._numbers[id(tensor)]
            if isinstance(tensor, nn.Parameter):
                learned.append(number)
            return number

        try:
            step = as_step(place)
        except KeyError:  # of tensors that are no parameters: somebody keeps these elsewhere
            return None
        # What is read at two places has the sum of two gradients, which no step makes.
        return step if len(set(learned)) == len(learned) else None

    def are_as_they_were(self, layer: nn.Module) -> bool:
        try:
            return (
                self._attributes[0] is layer.__dict__
                and self._attributes == self._values
                and self._children == self._members
                and not any(self._hooks)
                and list(map(type, self._modules)) == self._classes
                and all(held[name] is tensor for held, name, tensor in self._twins)
            )
        except (RuntimeError, ValueError):  # of attributes that do not compare
            return False

    def tensors(self) -> list[Tensor]:
        return [held[name] for held, name in self._places]

    def learns_from(self, step: Step, inputs: Sequence[Tensor], tensors: Sequence[Tensor]) -> bool:
        """Whether the step takes the inputs, which is asked once for every layout."""
        given = [*inputs, *tensors]
        shapes = tuple(x.shape for x in inputs)
        if any(fits(*given) for fits in self._fitting.get(shapes, ())):
            return True
        if not (may_be_prepared(given, learning=True) and step.takes(inputs, tensors)):
            return False
        if sum(map(len, self._fitting.values())) >= MOST_LAYOUTS:
            self._fitting.clear()
        self._fitting.setdefault(shapes, []).append(guard_of(given))
        return True
