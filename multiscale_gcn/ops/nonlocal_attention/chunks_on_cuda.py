"""Non-local attention of larger graphs, walked along in chunks: ``nonlocal_chunks.cu``."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.arguments import channels_side_by_side, empty_by_node, place
from multiscale_gcn.ops.kernels.number_types import DTYPES, real_type
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.nonlocal_attention.walks_on_cuda import (
    CHUNK,
    CHUNKS,
    GROUP,
    JoinedGradients,
    divide,
    joined_columns,
    launch,
    walking_kernels,
)

SCAN_COLUMNS, SCAN_THREADS = 8, 1024
KEY_THREADS = 256


def _num_groups(nodes: int) -> int:
    return -(-2 * nodes // (GROUP * CHUNK))


def _carry(x: Tensor, keys: Tensor, order: Tensor, of_sources: bool) -> Tensor:
    """Sums and moments of what comes before every chunk (targets) or behind it (sources).

    Those of its group, and those of the chunks of the group.
    """
    batch, nodes, channels = x.shape
    groups = _num_groups(nodes)
    chosen = divide((x,), rows=0, entries=0)
    result = keys.new_empty((batch, groups, 1 + GROUP, 2, channels))
    sizes = (nodes, channels, chosen.slice)
    arguments = (*place(x), keys, order, result, int(of_sources), *sizes)
    launch(CHUNKS, "totals", x, chosen, batch * groups, chosen.walkers, arguments)
    grid = (batch, -(-2 * channels // SCAN_COLUMNS))
    kernels = walking_kernels(CHUNKS, DTYPES[x.dtype], chosen.width, chosen.copy)
    arguments = (result, groups, 1 + GROUP, 2 * channels, int(of_sources))
    kernels.launch("scan", grid, (SCAN_THREADS,), arguments, x.device)
    return result


def _sorted_forward(
    source: Tensor, target: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    value = channels_side_by_side(value)
    batch, nodes, channels = value.shape
    wide = real_type(value.dtype)
    keys = value.new_empty((batch, 2 * nodes), dtype=wide)
    y = empty_by_node(value, channels)
    if y.numel() == 0:
        return y, *_kept_fake(value)
    chosen = divide((value,), (y,), rows=CHUNK, entries=CHUNK)
    kernels = walking_kernels(CHUNKS, DTYPES[value.dtype], chosen.width, chosen.copy)
    blocks = (-(-batch * nodes // KEY_THREADS),)
    arguments = (*place(source), *place(target), keys, batch, nodes)
    kernels.launch("make_keys", blocks, (KEY_THREADS,), arguments, value.device)
    keys, order = torch.sort(keys, dim=1, stable=True)
    before = _carry(value, keys, order, of_sources=False)
    places = (*place(value), keys, order, before, *place(y))
    sizes = (nodes, channels, chosen.slice)
    chunks = batch * _num_groups(nodes) * GROUP
    launch(CHUNKS, "attend_chunks", value, chosen, chunks, chosen.walkers, (*places, *sizes))
    return y, keys, order, before


def _kept_fake(value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    batch, nodes, channels = value.shape
    wide = real_type(value.dtype)
    keys = value.new_empty((batch, 2 * nodes), dtype=wide)
    order = value.new_empty((batch, 2 * nodes), dtype=torch.int64)
    carry = (batch, _num_groups(nodes), 1 + GROUP, 2, channels)
    return keys, order, value.new_empty(carry, dtype=wide)


def _sorted_forward_fake(
    source: Tensor, target: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return empty_by_node(value, value.shape[2]), *_kept_fake(value)


def _sorted_backward(
    gradient: Tensor, value: Tensor, keys: Tensor, order: Tensor, before: Tensor
) -> Tensor:
    value, gradient = channels_side_by_side(value), channels_side_by_side(gradient)
    batch, nodes, channels = value.shape
    results = JoinedGradients(value)
    if value.numel() == 0:
        return results.whole.zero_()
    behind = _carry(gradient, keys, order, of_sources=True)
    chosen = divide((value, gradient), (results.for_value,), rows=CHUNK, entries=CHUNK, ways=2)
    places = (*place(value), *place(gradient), keys, order, before, behind)
    sizes = (batch, nodes, channels, chosen.slice, chosen.walkers)
    arguments = (*places, *results.arguments(value, chosen.slices), *sizes)
    chunks = batch * _num_groups(nodes) * GROUP
    launch(CHUNKS, "attend_chunks_gradient", value, chosen, chunks, 2 * chosen.walkers, arguments)
    return results.finish()


def _sorted_backward_fake(
    gradient: Tensor, value: Tensor, keys: Tensor, order: Tensor, before: Tensor
) -> Tensor:
    return empty_by_node(value, joined_columns(value))


SORTED_FORWARD = define(
    "nonlocal_attention_sorted(Tensor source, Tensor target, Tensor value) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    cuda=_sorted_forward,
    fake=_sorted_forward_fake,
)
SORTED_BACKWARD = define(
    "nonlocal_attention_sorted_backward(Tensor gradient, Tensor value, Tensor keys, Tensor order, "
    "Tensor before) -> Tensor",
    cuda=_sorted_backward,
    fake=_sorted_backward_fake,
)
