"""Non-local attention in one kernel, in which a block sorts a graph: ``nonlocal_block.cu``."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.kernels.arguments import channels_side_by_side, empty_by_node, place
from multiscale_gcn.ops.kernels.launch import multiprocessors
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.nonlocal_attention.walks_on_cuda import (
    BLOCK,
    JoinedGradients,
    divide,
    joined_columns,
    launch,
)

MOST_THREADS = 256


def _threads(walking: int, value: Tensor) -> int:
    """No fewer than walk, and enough to rank all nodes; more where processors would idle."""
    batch, nodes, _ = value.shape
    ranked = 2 * nodes if batch <= multiprocessors(value.device.index) else nodes
    return max(walking, min(MOST_THREADS, 32 * -(-ranked // 32)))


def _forward(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    value = channels_side_by_side(value)
    batch, nodes, channels = value.shape
    y = empty_by_node(value, channels)
    if y.numel() == 0:
        return y
    chosen = divide((value,), (y,), rows=nodes, entries=2 * nodes, sorted_nodes=nodes)
    places = (*place(source), *place(target), *place(value), *place(y))
    threads = _threads(chosen.walkers, value)
    launch(BLOCK, "attend", value, chosen, batch, threads, (*places, nodes, channels, chosen.slice))
    return y


def _forward_fake(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    return empty_by_node(value, value.shape[2])


def _backward(gradient: Tensor, source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    value, gradient = channels_side_by_side(value), channels_side_by_side(gradient)
    batch, nodes, channels = value.shape
    results = JoinedGradients(value)
    if value.numel() == 0:
        return results.whole.zero_()
    chosen = divide(
        (value, gradient),
        (results.for_value,),
        rows=2 * nodes,
        entries=2 * nodes,
        ways=2,
        sorted_nodes=nodes,
    )
    places = (*place(source), *place(target), *place(value), *place(gradient))
    sizes = (nodes, channels, chosen.slice, chosen.walkers)
    arguments = (*places, *results.arguments(value, chosen.slices), *sizes)
    threads = _threads(2 * chosen.walkers, value)
    launch(BLOCK, "attend_gradient", value, chosen, batch, threads, arguments)
    return results.finish()


def _backward_fake(gradient: Tensor, source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    return empty_by_node(value, joined_columns(value))


FORWARD = define(
    "nonlocal_attention(Tensor source, Tensor target, Tensor value) -> Tensor",
    cuda=_forward,
    fake=_forward_fake,
)
BACKWARD = define(
    "nonlocal_attention_backward(Tensor gradient, Tensor source, Tensor target, Tensor value) "
    "-> Tensor",
    cuda=_backward,
    fake=_backward_fake,
)
