"""How whole layers are divided among the blocks of a device: no device is needed to tell."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn.ops.graph_convolution.whole_layer.division import (
    divide_backward,
    divide_forward,
    divide_portable,
    divide_portable_backward,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import MOST_LAYER_NODES, LayerSizes

H100 = {"processors": 132, "shared_memory": 232448}


@st.composite
def layers(draw: st.DrawFn) -> LayerSizes:
    """Any layer that the kernels take: rows of 128 to 512 bytes, columns in steps of 32."""
    element = draw(st.sampled_from([0, 1, 2, 3]))
    nodes = draw(st.integers(1, MOST_LAYER_NODES))
    return LayerSizes(
        batch=draw(st.integers(1, 20_000)),
        nodes=nodes,
        entries=draw(st.integers(nodes, nodes * nodes)),
        in_channels=draw(st.integers(1, 4)) * (64 if element in (1, 2) else 32),
        out_channels=32 * draw(st.integers(1, 8)),
        element=element,
        matrices=draw(st.sampled_from([1, 2])),
        **H100,
    )


@given(layers())
def test_every_layer_has_a_forward_division_that_fits(sizes: LayerSizes) -> None:
    chosen = divide_forward(sizes)
    assert chosen.shared_memory <= sizes.shared_memory
    assert chosen.graphs * sizes.nodes <= MOST_LAYER_NODES
    assert sizes.out_channels % chosen.columns == 0
    assert 1 <= chosen.blocks <= sizes.batch
    assert chosen.stages in (1, 2)


@given(layers(), st.sampled_from([101_376, 166_912, 232_448]))
def test_every_layer_has_a_portable_division_that_fits(sizes: LayerSizes, memory: int) -> None:
    sizes = replace(sizes, shared_memory=memory)
    chosen = divide_portable(sizes)
    assert chosen.shared_memory <= memory
    assert chosen.graphs * sizes.nodes <= MOST_LAYER_NODES
    assert sizes.out_channels % chosen.columns == 0
    assert 1 <= chosen.blocks <= sizes.batch
    assert chosen.columns % (32 * chosen.split) == 0
    assert max(32, sizes.nodes) <= chosen.threads(sizes.nodes) <= 256


@given(layers())
def test_backward_divisions_fit(sizes: LayerSizes) -> None:
    chosen = divide_backward(sizes)
    if chosen is None:
        return
    assert sizes.out_channels in (64, 128)
    assert chosen.shared_memory <= sizes.shared_memory
    assert chosen.graphs * sizes.nodes <= MOST_LAYER_NODES
    assert sizes.in_channels % chosen.columns == 0
    assert 1 <= chosen.blocks <= sizes.batch


@given(layers(), st.sampled_from([101_376, 166_912, 232_448]))
def test_portable_backward_divisions_fit(sizes: LayerSizes, memory: int) -> None:
    sizes = replace(sizes, shared_memory=memory)
    chosen = divide_portable_backward(sizes)
    if chosen is None:
        return
    assert sizes.out_channels in (64, 128)
    assert chosen.shared_memory <= memory
    assert chosen.graphs * sizes.nodes <= MOST_LAYER_NODES
    assert chosen.columns == 32 * sizes.per_word
    assert 1 <= chosen.blocks <= sizes.batch


@given(st.sampled_from([0, 1, 2, 3]), st.sampled_from([17, 48, 96]), st.integers(1, 20_000))
def test_the_layers_of_hgn_have_a_backward_division(element: int, nodes: int, batch: int) -> None:
    sizes = LayerSizes(batch, nodes, 7 * nodes, 128, 128, element, 2, **H100)
    assert divide_backward(sizes) is not None
    assert divide_portable_backward(sizes) is not None


def test_many_entries_leave_no_room_for_a_backward_division() -> None:
    assert divide_backward(LayerSizes(64, 128, 128 * 128, 128, 128, 0, 2, **H100)) is None
