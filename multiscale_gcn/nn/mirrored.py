"""Networks of bodies with a left and a right side, which treat both alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.arrays import integer_array, real_array
from multiscale_gcn.nn.feature_checks import check_features
from multiscale_gcn.nn.graph_buffers import GraphBuffers
from multiscale_gcn.nn.layer_checks import listed
from multiscale_gcn.nn.pattern_buffers import as_buffer
from multiscale_gcn.ops.operand_checks import check_operands


class Reflection(GraphBuffers):
    """The mirror image of features: node i has those of its image, with some signs turned.

    Y_ic = s_c X_(m(i))c. For positions [x, y, z] about the plane x = 0 the signs are (-1, 1, 1). A
    reflection of a reflection is what there was.

    Parameters
    ----------
    symmetry : array of int, shape (N,)
        m, the image of every node: ``level.constraints.symmetry`` of a symmetric hierarchy, or
        :func:`~multiscale_gcn.find_mirror`'s. An involution: m(m(i)) = i.
    signs : array of float, shape (C,)
        1 or -1 for each channel.

    Raises
    ------
    ValueError
        For a symmetry that is no involution of nodes, signs that are neither 1 nor -1, and in
        ``forward`` for features of another shape.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    MirrorEquivariant : treats both sides alike
    multiscale_gcn.find_mirror : the mirror of a mesh

    Examples
    --------
    >>> import torch
    >>> mirror = Reflection([1, 0], [-1, 1])
    >>> mirror(torch.tensor([[[1.0, 5.0], [2.0, 6.0]]])).tolist()
    [[[-2.0, 6.0], [-1.0, 5.0]]]
    """

    symmetry: Tensor
    signs: Tensor

    def __init__(self, symmetry: ArrayLike, signs: ArrayLike) -> None:
        super().__init__()
        image = _involution(symmetry)
        turned = real_array(signs, "signs").astype(np.float64)
        if turned.ndim != 1 or not turned.size:
            raise ValueError(f"signs has shape {turned.shape}, expected (C,): one for each channel")
        wrong = np.abs(turned) != 1
        if wrong.any():
            channel = int(np.argmax(wrong))
            raise ValueError(f"signs[{channel}] = {turned[channel]} must be 1 or -1")
        self.register_buffer("symmetry", as_buffer(image), persistent=False)
        signs_buffer = as_buffer(turned, torch.get_default_dtype())
        self.register_buffer("signs", signs_buffer, persistent=False)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        """The mirror image."""
        check_features(x, len(self.symmetry), len(self.signs))
        check_operands(x=x, **{"signs of the reflection": self.signs})
        return x.index_select(1, self.symmetry) * self.signs.to(x.dtype)

    def extra_repr(self) -> str:
        return f"{len(self.symmetry)} nodes, {len(self.signs)} channels"


class MirrorEquivariant(nn.Module):
    """A network that answers a mirrored input with the mirrored answer, exactly.

    F(x) = (f(x) + M' f(M x)) / 2 for a network f and reflections M of its inputs and M' of its
    outputs: the mean over the group of the mirror (Yarotsky 2022). Both passes share the
    weights of f. Answers are means of two, trained as such; a network that was trained alone may be
    wrapped afterwards, which is the usual flip at test time.

    Parameters
    ----------
    network : nn.Module
        From features [B, N, C], one or more, to a tensor or a tuple of tensors [B, N', C'].
    inputs, outputs : sequence of Reflection
        One for each input, and one for each output.

    Raises
    ------
    ValueError
        If there is no input or output, and in ``forward`` for another number of inputs or outputs
        than there are reflections.
    TypeError
        For what is no module, or no sequence of reflections.

    See Also
    --------
    Reflection : the mirror image of features
    multiscale_gcn.find_mirror : the mirror of a mesh

    Notes
    -----
    Random layers, such as dropout, differ between the passes: exact is the network in evaluation,
    or without them. In training, batch normalisation sees both passes, one after the other.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> from multiscale_gcn.nn import SemGConv
    >>> path = nx.path_graph(4)
    >>> swap = Reflection([3, 2, 1, 0], [-1, 1])
    >>> network = MirrorEquivariant(SemGConv(2, 2, path), [swap], [swap])
    >>> x = torch.randn(8, 4, 2)
    >>> torch.equal(network(swap(x)), swap(network(x)))
    True
    """

    def __init__(
        self, network: nn.Module, inputs: Sequence[Reflection], outputs: Sequence[Reflection]
    ) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            raise TypeError(f"network = {shown(network)} is no Module; give one")
        self.network: nn.Module = network
        self.inputs: nn.ModuleList = nn.ModuleList(_reflections(inputs, "inputs"))
        self.outputs: nn.ModuleList = nn.ModuleList(_reflections(outputs, "outputs"))

    def forward(
        self,
        *inputs: Tensor,  # [B, N, C] for every input
    ) -> Any:
        """The mean of both passes: a tensor if the network gives one, otherwise a tuple."""
        _check_count(len(inputs), len(self.inputs), "inputs")
        seen = [mirror(x) for mirror, x in zip(self.inputs, inputs, strict=True)]
        answers, mirrored = self.network(*inputs), self.network(*seen)
        if isinstance(answers, Tensor):
            _check_count(1, len(self.outputs), "outputs")
            return (answers + self.outputs[0](mirrored)) / 2
        _check_count(len(answers), len(self.outputs), "outputs")
        return tuple(
            (answer + mirror(other)) / 2
            for mirror, answer, other in zip(self.outputs, answers, mirrored, strict=True)
        )


def _check_count(found: int, expected: int, name: str) -> None:
    if found != expected:
        raise ValueError(
            f"the network has {found} {name}, and there are reflections for {expected}; give one "
            "for each"
        )


def _reflections(given: Any, name: str) -> list[Reflection]:
    reflections = listed(given, name)
    if not reflections:
        raise ValueError(f"{name} is empty; give a Reflection for each of the network's {name}")
    for place, reflection in enumerate(reflections):
        if not isinstance(reflection, Reflection):
            raise TypeError(
                f"{name}[{place}] = {shown(reflection)} is no Reflection; give "
                "Reflection(symmetry, signs)"
            )
    return reflections


def _involution(symmetry: ArrayLike) -> np.ndarray:
    image = integer_array(symmetry, "symmetry")
    if image.ndim != 1 or not image.size:
        raise ValueError(f"symmetry has shape {image.shape}, expected (N,): one for each node")
    nodes = np.arange(len(image))
    outside = (image < 0) | (image >= len(image))
    if outside.any():
        node = int(np.argmax(outside))
        raise ValueError(
            f"symmetry[{node}] = {image[node]} is no node; nodes run from 0 to {len(image) - 1}"
        )
    image = image.astype(np.int64)
    moved = image[image] != nodes
    if moved.any():
        node = int(np.argmax(moved))
        raise ValueError(
            f"symmetry[symmetry[{node}]] = {image[image][node]}, not {node}; the image of an image "
            "must be the node itself"
        )
    return image
