"""Layers in evaluation on a device: what they do is chosen once for each shape, then repeated."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.ops.kernels.prepared import PreparedCalls

_OWN = ("torch.nn.modules.", "multiscale_gcn.nn.", "examples.hgn_pose")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class EvaluationCalls:
    """The calls of one layer, which copies of the layer do not take along."""

    def __init__(self) -> None:
        self._parts: _Parts | None = None

    def __call__(
        self,
        layer: nn.Module,
        forward: Callable[[], Any],
        inputs: Sequence[Tensor],
        constants: Hashable = None,
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
        """
        if torch.compiler.is_compiling() or layer.training or not _on_device(inputs):
            return forward()
        parts = self._parts
        if parts is None or not parts.are_as_they_were():
            parts = self._parts = _Parts(layer)
        if not parts.known:
            return forward()
        return parts.calls(forward, [*inputs, *parts.tensors()], constants)

    def __reduce__(self) -> Any:
        return (EvaluationCalls, ())


def _on_device(inputs: Sequence[Any]) -> bool:
    first = inputs[0] if inputs else None
    return isinstance(first, Tensor) and first.is_cuda


class _Parts:
    """The modules of a layer as they were; tensors are looked up at every call.

    Attributes
    ----------
    calls : PreparedCalls
        Of the layer with these modules.
    known : bool
        Whether a call of the layer does what the classes of its modules say, and nothing more.
    """

    def __init__(self, layer: nn.Module) -> None:
        modules = list(layer.modules())
        self._attributes = [module.__dict__ for module in modules]
        self._values = [dict(attributes) for attributes in self._attributes]
        self._classes = [(module, type(module)) for module in modules]
        self._children = [module._modules for module in modules if module._modules]
        self._members = [dict(children) for children in self._children]
        self._hooks = [getattr(module, name) for module in modules for name in _HOOKS]
        self.calls = PreparedCalls()
        self._places: list[tuple[dict[str, Any], str]] = []
        self._twins: list[tuple[dict[str, Any], str, Tensor]] = []
        seen: set[int] = set()
        for module in modules:
            for held in (module._parameters, module._buffers):
                for name, tensor in held.items():
                    if tensor is None:
                        continue
                    if id(tensor) in seen:
                        self._twins.append((held, name, tensor))
                    else:
                        self._places.append((held, name))
                        seen.add(id(tensor))
        self.known = (
            not any(self._hooks)
            and all(type(module).__module__.startswith(_OWN) for module in modules)
            and not any("forward" in attributes for attributes in self._attributes)
        )

    def are_as_they_were(self) -> bool:
        try:
            return (
                self._attributes == self._values
                and self._children == self._members
                and not any(self._hooks)
                and all([module.__class__ is kind for module, kind in self._classes])
                and all([held[name] is tensor for held, name, tensor in self._twins])
            )
        except (RuntimeError, ValueError):  # of attributes that do not compare
            return False

    def tensors(self) -> list[Tensor]:
        return [held[name] for held, name in self._places]
