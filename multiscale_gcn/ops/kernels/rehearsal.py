"""A call of a function of tensors, written down as the few lines that do its work.

Most of the time of a small call goes into choices: which kernel, how large a grid, which strides.
They depend on types, shapes and strides alone, never on values. So the function runs once as it is,
while this module watches what it does to tensors: launches of kernels, new tensors, calls of
PyTorch. A straight piece of Python with these and nothing else is the result; views of which only
the address counts, tensors that are copied to where they are already, and all choices are gone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from multiscale_gcn.ops.kernels.packing import (
    Packing,
    as_number,
    code_of,
    current_stream,
    driver_of_thread,
)

Run = Callable[[Sequence[Tensor]], Any]
"""What was written down: it takes the tensors and gives what the function gives."""

ALIGNMENT = 16
"""Bytes at multiples of which all tensors begin that kernels read."""

new_tensor = torch.empty_strided
_VARIABLE = re.compile(r"\b[vp]\d+\b")
_NEW = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
_COPIES_IF_NEEDED = {"contiguous", "to", "float", "double", "half", "bfloat16", "type"}
_TELLS = {
    *("__get__", "__len__", "data_ptr", "dim", "element_size", "get_device", "is_contiguous"),
    *(
        "is_complex",
        "is_floating_point",
        "ndimension",
        "nelement",
        "numel",
        "size",
        "storage_offset",
    ),
    *("stride", "untyped_storage", "promote_types", "result_type", "is_tensor"),
}
"""What says something about a tensor, and nothing about its values."""


class NotWritten(Exception):
    """The call does something that cannot be written down."""


class _OfThread(threading.local):
    rehearsal: Rehearsal | None = None


_of_thread = _OfThread()


def rehearsal_of_thread() -> Rehearsal | None:
    """The one that watches this thread."""
    return _of_thread.rehearsal


class Rehearsal(TorchFunctionMode):
    """Watches one call.

    Parameters
    ----------
    tensors : sequence of Tensor
        All that the call reads and does not make, each once.
    index : int
        Of the device.
    """

    def __init__(self, tensors: Sequence[Tensor], index: int) -> None:
        super().__init__()
        self.index = index
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {"empty": new_tensor}
        self.kept: list[Tensor] = []  # so that no other tensor takes the id of one
        self.names: dict[int, str] = {}
        self.bases: dict[int, Tensor] = {}
        self.addresses: dict[str, str] = {}
        self.read: list[str] = []
        self.anywhere: set[int] = set()
        self.hindrance: str | None = None
        self.count = 0
        for place, tensor in enumerate(tensors):
            self._know(tensor, f"t[{place}]")

    def __enter__(self) -> Rehearsal:
        _of_thread.rehearsal = self
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        _of_thread.rehearsal = None
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    # ------------------------------------------------------------------------------- what is seen

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self._try(self._see, getattr(func, "__name__", ""), func, args, kwargs, result)
        return result

    def _try(self, write: Callable[..., str | None], *arguments: Any) -> str:
        """Nothing that cannot be written down may hinder the call itself."""
        if self.hindrance is None:
            try:
                return write(*arguments) or ""
            except Exception as error:  # tensors without storage, or whatever else there is
                self.hindrance = str(error) or type(error).__name__
        return ""

    def _see(
        self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        if isinstance(result, Tensor):
            if id(result) in self.names or id(result) in self.bases:
                if name not in _COPIES_IF_NEEDED and name not in _TELLS:
                    self._write_call(func, args, kwargs)
            elif name in _NEW:
                self._keep(result)
                self.bases[id(result)] = result
            elif not self._see_view(result, args):
                self._write_call(func, args, kwargs, result)
        elif isinstance(result, tuple | list) and any(isinstance(r, Tensor) for r in result):
            if not all(isinstance(r, Tensor) and self._see_view(r, args) for r in result):
                raise NotWritten(f"{name} gives several tensors")
        elif name not in _TELLS and self._tensors_in((args, kwargs)):
            raise NotWritten(f"{name} reads or writes values")

    def _see_view(self, result: Tensor, args: Sequence[Any]) -> bool:
        """Whether it is part of a tensor that is known, and is known now itself."""
        place = result.untyped_storage()._cdata
        for given in self._tensors_in(args):
            if given.untyped_storage()._cdata == place and given.dtype == result.dtype:
                self._keep(result)
                self.bases[id(result)] = self._base(given)
                return True
        return False

    def launch(self, function: int, sizes: tuple[int, ...], arguments: Sequence[Any]) -> None:
        """Write down a launch."""
        self._try(self._write_launch, function, sizes, arguments)

    def keep(self, tensor: Tensor) -> None:
        """Know a tensor that nobody changes; it lives as long as what is written down."""
        self._know(tensor, self._constant(tensor))

    def reads_anywhere(self, tensor: Tensor) -> None:
        """Let a tensor begin at any address: its kernels read it number by number."""
        self.anywhere.add(id(tensor))

    def _write_launch(
        self, function: int, sizes: tuple[int, ...], arguments: Sequence[Any]
    ) -> None:
        self.constants["launch"] = driver_of_thread(self.index)
        self.constants["current_stream"] = current_stream
        packing = Packing(code_of(type(argument)) for argument in arguments)
        pack, where = self._constant(packing.into), self._constant(packing.address)
        values = [
            self._address(a) if isinstance(a, Tensor) else self._value(as_number(a))
            for a in arguments
        ]
        numbers = ", ".join(map(str, (function, *sizes)))
        self.lines.append(f"{pack}({', '.join(values)}); launch({numbers}, stream, {where}, 0)")

    # ---------------------------------------------------------------------------- what is written

    def written(self, result: Any) -> Run | None:
        """The call, which gives tensors like those of the result; None if it cannot be written."""
        answer = self._try(self._answer, result)
        if self.hindrance is not None:
            return None
        head = ["def run(t):"]
        if self.read:
            head.append(f"if ({' | '.join(self.read)}) % {ALIGNMENT}: return None")
        if "launch" in self.constants:
            head.append(f"stream = current_stream({self.index})")
        read = [
            f"{address} = {name}.data_ptr()"
            for name, address in self.addresses.items()
            if name.startswith("t[")
        ]
        lines = [head[0], *read, *head[1:], *self._releasing(answer), f"return {answer}"]
        exec("\n    ".join(lines), self.constants)
        run: Run = self.constants["run"]
        return run

    def _answer(self, result: Any) -> str:
        if isinstance(result, Tensor):
            return self._name(result)
        return "(" + "".join(f"{self._value(part)}, " for part in result) + ")"

    def _releasing(self, answer: str) -> list[str]:
        """The lines, where every tensor is given up behind the last that needs it."""
        owner = {address: name for name, address in self.addresses.items() if name[0] == "v"}
        needed = set(_VARIABLE.findall(answer))
        backwards: list[str] = []
        for line in reversed(self.lines):
            used = {owner.get(word, word) for word in _VARIABLE.findall(line)}
            last = sorted(word for word in used - needed if word[0] == "v")
            backwards += [f"del {', '.join(last)}"] * bool(last)
            backwards.append(line)
            needed |= used
        return backwards[::-1]

    def _know(self, tensor: Tensor, name: str) -> None:
        self._keep(tensor)
        self.names[id(tensor)] = name
        self.bases[id(tensor)] = tensor

    def _keep(self, tensor: Tensor) -> None:
        self.kept.append(tensor)

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def _variable(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def _base(self, tensor: Tensor) -> Tensor:
        base = self.bases.get(id(tensor))
        if base is None:
            raise NotWritten("a tensor comes from elsewhere")
        return base

    def _name(self, tensor: Tensor) -> str:
        """The variable that holds the tensor."""
        name = self.names.get(id(tensor))
        if name is not None:
            return name
        base = self._base(tensor)
        geometry = f"{tuple(tensor.shape)}, {tensor.stride()}"
        if id(base) not in self.names and _covers(tensor, base):
            variable = self._variable()
            kind = f"dtype={self._constant(base.dtype)}, device={self._constant(base.device)}"
            self.lines.append(f"{variable} = empty({geometry}, {kind})")
            if tensor is not base:
                # Whoever asks for the base itself later takes a view of this one.
                self.bases[id(base)] = tensor
                for other, its in list(self.bases.items()):
                    if its is base:
                        self.bases[other] = tensor
            self.names[id(tensor)] = variable
            return variable
        whole = self._name(base)
        offset = tensor.storage_offset() - base.storage_offset()
        if (tensor.shape, tensor.stride(), offset) == (base.shape, base.stride(), 0):
            return whole
        variable = self._variable()
        place = f", {whole}.storage_offset() + {offset}" if offset else ""
        self.lines.append(f"{variable} = {whole}.as_strided({geometry}{place})")
        self.names[id(tensor)] = variable
        return variable

    def _address(self, tensor: Tensor) -> str:
        """An expression for where the tensor begins."""
        base = self._base(tensor)
        if id(base) not in self.names and tensor is not base and _covers(tensor, base):
            name, offset = self._name(tensor), 0
        else:
            name, offset = self._name(base), tensor.data_ptr() - base.data_ptr()
        address = self.addresses.get(name)
        if address is None:
            address = self.addresses[name] = f"p{len(self.addresses)}"
            if name.startswith("t[") and id(base) not in self.anywhere:
                self.read.append(address)
                if base.data_ptr() % ALIGNMENT:
                    raise NotWritten("a tensor does not begin at a multiple of 16 bytes")
            elif not name.startswith("t["):
                self.lines.append(f"{address} = {name}.data_ptr()")
        return f"{address} + {offset}" if offset else address

    def _write_call(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any = None
    ) -> None:
        given = [self._value(a) for a in args]
        given += [f"{key}={self._value(a)}" for key, a in kwargs.items()]
        text = f"{self._constant(func)}({', '.join(given)})"
        if result is not None:
            name = self._variable()
            self._know(result, name)
            text = f"{name} = {text}"
        self.lines.append(text)

    def _value(self, value: Any) -> str:
        if isinstance(value, Tensor):
            return self._name(value)
        if isinstance(value, tuple | list) and self._tensors_in(value):
            inside = ", ".join(map(self._value, value))
            return f"[{inside}]" if isinstance(value, list) else f"({inside},)"
        return repr(value) if _is_plain(value) else self._constant(value)

    def _tensors_in(self, values: Any) -> list[Tensor]:
        if isinstance(values, Tensor):
            return [values]
        if isinstance(values, dict):
            values = list(values.values())
        if isinstance(values, tuple | list):
            return [tensor for value in values for tensor in self._tensors_in(value)]
        return []


def _is_plain(value: Any) -> bool:
    """Whether Python reads what it writes."""
    return (
        value is None
        or type(value) in (int, bool, str)
        or (type(value) is float and value == value and abs(value) != float("inf"))
    )


def _covers(tensor: Tensor, base: Tensor) -> bool:
    """Whether the tensor has the place of all of a new one, in whatever order."""
    return (
        tensor.numel() == base.numel()
        and tensor.storage_offset() == base.storage_offset()
        and _is_dense(tensor)
    )


def _is_dense(tensor: Tensor) -> bool:
    """Without gaps and without a number twice."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True
