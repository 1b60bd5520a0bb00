"""Tell the processor what will be read soon, from compiled code."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from multiscale_gcn.compiled.kernel import COMPILES, kernel

LINE = 64
"""Bytes that a processor fetches at once."""


@intrinsic
def _prefetch(typing_context: Any, array: Any, at: Any) -> Any:
    """LLVM's instruction of that name, for reading; it never fails, whatever the address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address], kind)
        place = builder.bitcast(builder.gep(data, [arguments[1]]), address)
        read, near, of_data = number(0), number(3), number(1)
        builder.call(function, [place, read, near, of_data])
        return context.get_dummy_value()

    return types.void(array, at), generate


def _nothing(array: Any, at: Any) -> None:
    """What is not compiled has no such instruction."""


_at_once: Any = _prefetch if COMPILES else _nothing


@kernel()
def prefetch(array: Any, begin: Any, end: Any) -> None:
    """Have array[begin:end] on its way into the cache."""
    step = LINE // array.itemsize
    for at in range(begin, end, step):
        _at_once(array, at)
