"""A network in evaluation as the program of one kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.nn.blocks import GraphConvBlock, ResGConv
from multiscale_gcn.nn.convolutions import GConv, SemGConv
from multiscale_gcn.nn.fusion import CrossScaleFusion, ScaleSum
from multiscale_gcn.nn.layer_calls import class_of, is_known
from multiscale_gcn.nn.node_maps import DenseMap, SparseMap
from multiscale_gcn.nn.nonlocal_block import NonLocal
from multiscale_gcn.nn.plan import members
from multiscale_gcn.ops import Normalisation, selection
from multiscale_gcn.ops.kernels.prepared import may_be_prepared
from multiscale_gcn.ops.kernels.rehearsal import rehearsal_of_thread
from multiscale_gcn.ops.whole_network import (
    Attention,
    Features,
    Mix,
    Product,
    Program,
    Vectors,
    hindrance,
    loss,
    run_program,
)


class Unknown(Exception):
    """Something that the kernel has no instructions for."""


def in_one_kernel(network: Any, inputs: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
    """What a ``MultiScaleGCN`` answers, if its call is kept or captured and one kernel takes it."""
    if torch.compiler.is_compiling():
        return None
    if rehearsal_of_thread() is None and not (
        is_captured(inputs) and _may_be_kept(network, inputs)
    ):
        return None
    found = program_or_reason(network, inputs)
    return None if isinstance(found, str) else run_program(found, inputs)


def is_captured(inputs: Sequence[Any]) -> bool:
    """Whether what is done to inputs becomes a part of a CUDA graph."""
    if torch.compiler.is_compiling() or not inputs:
        return False
    first = inputs[0]
    return isinstance(first, Tensor) and first.is_cuda and torch.cuda.is_current_stream_capturing()


def _may_be_kept(network: nn.Module, inputs: Sequence[Tensor]) -> bool:
    """Whether a call outside of a CUDA graph would be kept."""
    tensors = [*inputs, *network.parameters(), *network.buffers()]
    return not network.training and is_known(network) and may_be_prepared(tensors)


def program_or_reason(network: Any, inputs: Sequence[Tensor]) -> Program | str:
    """The program of a ``MultiScaleGCN``, or why layer by layer is chosen for these inputs."""
    try:
        program = program_of(network)
    except Unknown as error:
        return str(error)
    reason = _misfit(program, inputs) or selection.cupy_hindrance()
    if reason is None:
        device = inputs[0].device
        reason = hindrance(program, device) or loss(program, inputs[0].shape[0], device)
    return reason or program


def program_of(network: Any) -> Program:
    """The program of a ``MultiScaleGCN``.

    Raises
    ------
    Unknown
        For a layer that it has no instructions for, and parameters of other types.
    """
    program = Program()
    features: dict[int, Features] = {}
    for key, encoder in network.inputs.items():
        k = int(key)
        x = program.read(network.sizes[k], network.in_channels[k])
        features[k] = _layer(program, encoder, x)
    for place, stage in enumerate(network.stages):
        _begin(program, network, place, features)
        for k in stage:
            features[k] = _layer(program, network.blocks[place][str(k)], features[k])
        if pairs := network.plan.exchanges[place]:
            scales = members(stage, pairs)
            given = [features[k] for k in scales]
            features.update(
                zip(scales, _fused(program, network.fusions[place], given), strict=True)
            )
    _begin(program, network, len(network.stages), features)
    for key, decoder in network.outputs.items():
        program.write(_layer(program, decoder, features[int(key)]))
    _check_tensors(program)
    return program


def _begin(program: Program, network: Any, place: int, features: dict[int, Features]) -> None:
    begun = {
        k: _summed(program, network.beginnings[str(k)], [features[i] for i in sources], None)
        for k, sources in network.plan.beginnings[place].items()
    }
    features.update(begun)


def _check_tensors(program: Program) -> None:
    for task in program.preparation.tasks:
        for tensor in task.tensors():
            if tensor.dtype not in (torch.float32, torch.int64):
                raise Unknown(f"a parameter is {tensor.dtype}, the kernel takes torch.float32")
            if not tensor.is_contiguous():
                raise Unknown("a parameter is not contiguous")


def _misfit(program: Program, inputs: Sequence[Tensor]) -> str | None:
    expected = [(f.nodes, f.channels) for f in program.inputs]
    if [tuple(x.shape[1:]) for x in inputs] != expected or any(x.dim() != 3 for x in inputs):
        return "the inputs do not have the shapes that the network takes"
    if any(x.shape[0] != inputs[0].shape[0] for x in inputs):
        return "the inputs are not of one batch"
    if any(x.dtype != torch.float32 for x in inputs):
        return "the inputs are not all torch.float32"
    return None


# ----------------------------------------------------------------------------------------- layers


def _layer(program: Program, layer: Any, x: Features) -> Features:
    kind = class_of(layer)
    if kind not in _LAYERS:
        raise Unknown(f"the kernel has no instructions for {type(layer).__name__}")
    return _LAYERS[kind](program, layer, x)


def _convolution(
    program: Program,
    layer: Any,
    x: Features,
    norm: Normalisation | None = None,
    relu: bool = False,
    add: Features | None = None,
) -> Features:
    kind, preparation = class_of(layer), program.preparation
    if kind is not GConv and kind is not SemGConv:
        raise Unknown(f"the kernel has no instructions for {type(layer).__name__}")
    values = layer.logits if kind is SemGConv else layer.adjacency
    if values.dim() != 1:
        raise Unknown(f"{kind.__name__} mixes nodes by a matrix for each channel")
    nodes, channels = layer.pattern.num_nodes, layer.out_channels
    two = len(layer.weight) == 2
    diagonal = preparation.room(nodes) if two else None
    pattern = (layer.pattern.indptr, layer.pattern.columns)
    matrix = preparation.graph(
        values, pattern, (nodes, nodes), softmax=kind is SemGConv, diagonal=diagonal
    )
    others = preparation.channels(layer.weight, len(layer.weight) - 1)
    sent = program.make(nodes, channels, Product(x, others))
    own = Product(x, preparation.channels(layer.weight, 0), diagonal) if two else None
    vectors = preparation.vectors(channels, layer.bias, norm)
    return program.make(
        nodes, channels, own, Mix(sent, matrix), vectors=vectors, relu=relu, add=add
    )


def _known(norm: Any) -> Normalisation:
    """What is known of a normalisation before it sees any features."""
    mean, variance = norm.running_mean, norm.running_var
    if class_of(norm) is not nn.BatchNorm1d or norm.training or mean is None or variance is None:
        raise Unknown("a normalisation takes its statistics from the batch")
    return Normalisation(mean, variance, norm.weight, norm.bias, norm.eps)


def _block(program: Program, block: Any, x: Features, add: Features | None = None) -> Features:
    if block.dropout is not None and block.dropout.training:
        raise Unknown("a layer drops features")
    return _convolution(program, block.convolution, x, _known(block.norm), True, add)


def _residual(program: Program, block: Any, x: Features) -> Features:
    for half in (block.first, block.second):
        if class_of(half) is not GraphConvBlock:
            raise Unknown(f"the kernel has no instructions for {type(half).__name__}")
    inner = _block(program, block.first, x)
    y = _block(program, block.second, inner, add=x)
    return y if block.non_local is None else _layer(program, block.non_local, y)


def _non_local(program: Program, layer: Any, x: Features) -> Features:
    if layer.maxima is not None:
        raise Unknown("a non-local block has groups")
    preparation, channels, inner = program.preparation, layer.channels, layer.channels // 2
    value, theta, phi = layer.value, layer.theta, layer.phi
    joined = preparation.joined(value.weight, theta.weight, phi.weight, layer.score)
    shift = preparation.joined_shift(value.bias, theta.bias, phi.bias, layer.score)
    mapped = program.make(x.nodes, inner + 2, Product(x, joined), vectors=shift)
    attended = program.make(x.nodes, inner, mix=Attention(mapped))
    output = Product(attended, preparation.linear(layer.output.weight))
    vectors = preparation.vectors(channels, layer.output.bias, _known(layer.norm))
    return program.make(x.nodes, channels, output, vectors=vectors, add=x)


def _linear(program: Program, layer: Any, x: Features) -> Features:
    matrix = program.preparation.linear(layer.weight)
    return program.make(
        x.nodes, layer.out_features, Product(x, matrix), vectors=_bias(program, layer)
    )


def _bias(program: Program, layer: Any) -> Vectors:
    return program.preparation.vectors(layer.out_features, layer.bias)


_LAYERS: dict[type | None, Callable[[Program, Any, Features], Features]] = {
    GConv: _convolution,
    SemGConv: _convolution,
    GraphConvBlock: _block,
    ResGConv: _residual,
    NonLocal: _non_local,
    nn.Linear: _linear,
    nn.Identity: lambda program, layer, x: x,
}


# ------------------------------------------------------------------------------------ from several


def _summed(
    program: Program, layer: Any, sources: Sequence[Features], base: Features | None
) -> Features:
    if class_of(layer) is not ScaleSum:
        raise Unknown(f"the kernel has no instructions for {type(layer).__name__}")
    result = base
    preparation = program.preparation
    for place, (made, x) in enumerate(zip(layer.maps, sources, strict=True)):
        if str(place) in layer.channel_maps:
            x = _layer(program, layer.channel_maps[str(place)], x)
        if class_of(made) is DenseMap:
            matrix = preparation.nodes(made.weight)
        elif class_of(made) is SparseMap:
            pattern = (made.pattern.indptr, made.pattern.columns)
            matrix = preparation.graph(made.weight, pattern, (made.out_features, made.in_features))
        else:
            raise Unknown(f"the kernel has no instructions for {type(made).__name__}")
        shift = None if made.bias is None else preparation.of_nodes(made.bias)
        result = program.make(
            made.out_features, x.channels, mix=Mix(x, matrix), node_shift=shift, add=result
        )
    assert result is not None
    return result


def _fused(program: Program, layer: Any, features: Sequence[Features]) -> list[Features]:
    if class_of(layer) is not CrossScaleFusion:
        raise Unknown(f"the kernel has no instructions for {type(layer).__name__}")
    read = list(features)
    written = read if layer.fusion_order == "sequential" else list(features)
    for key, sums in layer.sums.items():
        k = int(key)
        sent = [read[i] for i in layer._sources(k)]
        if key in layer.joins:
            written[k] = _joined(
                program, layer.joins[key], read[k], _summed(program, sums, sent, None)
            )
        else:
            written[k] = _summed(program, sums, sent, read[k])
    return written


def _joined(program: Program, layer: nn.Linear, own: Features, sent: Features) -> Features:
    """A linear map of both, side by side."""
    preparation, nodes, width = program.preparation, own.nodes, layer.out_features
    matrices = [
        preparation.linear(layer.weight, first, each.channels)
        for first, each in ((0, own), (own.channels, sent))
    ]
    half = program.make(nodes, width, Product(own, matrices[0]))
    return program.make(
        nodes, width, Product(sent, matrices[1]), vectors=_bias(program, layer), add=half
    )
