"""Networks for inference on a processor, with all that is known beforehand made once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import instance, shown
from multiscale_gcn.nn.folded_layers import (
    FOR_EXPORT,
    ON_A_PROCESSOR,
    Arithmetic,
    folded_layer,
)
from multiscale_gcn.ops.selection import exporting


class Folded(nn.Module):
    """A network for inference on a processor: what does not depend on its input is made once.

    Normalisations become part of the matrices before them, softmaxes of learned logits become
    numbers, the matrices of a convolution one, the maps from several scales one, and oneDNN lays
    matrices out as it wants them. The answers are those of the network to rounding, in a fraction
    of its time for small batches. It replaces :class:`ResGConv`, :class:`GraphConvBlock`,
    :class:`SemGConv`, :class:`GConv`, :class:`NonLocal`, :class:`CrossScaleFusion` and
    :class:`ScaleSum` wherever they stand in the network, leaves everything else as it is, and
    compiles nothing.

    Where nothing is folded the network runs as it is, and ``reason`` says why: on a CUDA device,
    whose kernels take normalisations along, in training, where gradients are asked for, under
    autocast, and while a compiler or an exporter looks on.

    Weights may change in place, as optimizers and ``load_state_dict`` change them: the next call
    folds anew. Calls that put other tensors in their place, such as ``.to()``, must go through this
    module; after those that do not, and after changes through ``.data``, call :meth:`forget`.

    Parameters
    ----------
    module : nn.Module

    Raises
    ------
    TypeError
        If ``module`` is none.

    Notes
    -----
    Networks of some hundred thousand numbers are often fastest on one thread:
    ``torch.set_num_threads(1)``, before anything else.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import Folded, ResGConv
    >>> block = ResGConv(16, Graph([0, 1, 2], [1, 0])).eval()
    >>> folded = Folded(block).eval()
    >>> x = torch.randn(1, 2, 16)
    >>> with torch.no_grad():
    ...     torch.allclose(folded(x), block(x), atol=1e-5)
    True
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        instance(module, "module", nn.Module, "give the network")
        self.module = module
        self.reason: str | None = None
        self._folded: _Made | None = None
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    def forward(self, *inputs: Any) -> Any:
        """The module's answer.

        Parameters
        ----------
        *inputs
            What the module takes.

        Returns
        -------
        What the module returns.
        """
        if torch.compiler.is_compiling():
            return self.module(*inputs)
        self.reason = self._why_not(inputs)
        if self.reason is not None:
            return self.module(*inputs)
        made = self._folded
        if made is None or made.state != made.state_now():
            made = self._folded = _Made(self.module)
        return made.module(*inputs)

    def forget(self) -> None:
        """Fold anew at the next call.

        Examples
        --------
        >>> import torch
        >>> from multiscale_gcn.nn import Folded
        >>> network = Folded(torch.nn.Linear(3, 2))
        >>> network.module = torch.nn.Linear(3, 4)
        >>> network.forget()
        """
        self._folded = None

    def for_export(self) -> nn.Module:
        """The folded network as it is now, in operators that every exporter knows.

        Sums over neighbours are products with dense matrices there. Convolutions on more than 512
        nodes, for which these would be large, are those of the network. The batch may be dynamic;
        graphs that are exported for one member a batch have the fewest operators.

        Returns
        -------
        nn.Module
            In evaluation, with the numbers of the network, which later changes of it do not reach.

        Raises
        ------
        ValueError
            If it is in training.

        Examples
        --------
        >>> import torch
        >>> from multiscale_gcn import Graph
        >>> from multiscale_gcn.nn import Folded, ResGConv
        >>> block = ResGConv(16, Graph([0, 1, 2], [1, 0])).eval()
        >>> x = torch.randn(1, 2, 16)
        >>> program = torch.export.export(Folded(block).eval().for_export(), (x,))
        >>> with torch.no_grad():
        ...     torch.allclose(program.module()(x), block(x), atol=1e-5)
        True
        """
        if self.training:
            raise ValueError("it is in training; call eval() first")
        with torch.inference_mode(False), torch.no_grad():
            return _copied(copy.deepcopy(self.module), {}, FOR_EXPORT)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self.forget()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which fold anew."""
        return {**self.__dict__, "_folded": None}

    def _why_not(self, inputs: tuple[Any, ...]) -> str | None:
        if exported := exporting():
            return exported
        for x in inputs:
            if not isinstance(x, Tensor):
                return f"an input is no tensor but {shown(x)}"
            if x.device.type != "cpu":
                return f"an input is on {x.device}, and this is for processors"
        if self.training:
            return "it is in training; call eval() first"
        if torch.is_autocast_enabled("cpu"):
            return "autocast is on, which gives each layer a type"
        if torch.is_grad_enabled() and (
            any(x.requires_grad for x in inputs)
            or any(p.requires_grad for p in self.module.parameters())
        ):
            return "gradients are asked for; call it under torch.no_grad()"
        if self._folded is None and any(t.is_inference() for t in _tensors(self.module)):
            return "weights were made in inference mode, which counts no changes of them"
        return None


def _forget(module: Folded, keys: Any) -> None:
    module.forget()


class _Made:
    """A copy of a network, folded, and in which state the network was then."""

    def __init__(self, module: nn.Module) -> None:
        self.tensors = list(_tensors(module))
        self.parts = list(module.modules())
        self.state = self.state_now()
        with torch.inference_mode(False), torch.no_grad():
            self.module = _copied(module, {}, ON_A_PROCESSOR)

    def state_now(self) -> tuple[list[int], list[bool]]:
        """Versions of all tensors, and who is in training."""
        return list(map(_version, self.tensors)), list(map(_training, self.parts))


_version, _training = attrgetter("_version"), attrgetter("training")


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _copied(module: nn.Module, seen: dict[int, nn.Module], arithmetic: Arithmetic) -> nn.Module:
    """With other modules inside, and the same tensors."""
    if id(module) not in seen:
        made = folded_layer(module, arithmetic)
        seen[id(module)] = made or _with_others(module, seen, arithmetic)
    return seen[id(module)]


def _with_others(
    module: nn.Module, seen: dict[int, nn.Module], arithmetic: Arithmetic
) -> nn.Module:
    made = module.__new__(type(module))
    made.__dict__.update(module.__dict__)
    made.__dict__["_modules"] = {
        name: None if child is None else _copied(child, seen, arithmetic)
        for name, child in module._modules.items()
    }
    return made
