"""From options to a network with reproducible first weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import torch
import tyro
from torch import nn

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.coarse import MESH_SIZES, PUBLISHED_REAL, Clusters, CoarseGraphs
from examples.hgn_pose.body.rest import rest_joints
from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.architecture import Fusion, Head, SeenByNonLocal, Sharing, Wanted
from examples.hgn_pose.network.convolutions import GConv, SemGConv
from examples.hgn_pose.network.facing import Facing
from examples.hgn_pose.network.first_weights import as_published, scale_answers
from examples.hgn_pose.network.ray_head import RayHead, answering
from examples.hgn_pose.network.registry import ARCHITECTURES
from multiscale_gcn import Graph, Hierarchy
from multiscale_gcn.checks.arguments import one_of, real_number, whole_number
from multiscale_gcn.nn import DistanceTransfer

FIRST_ANSWERS = 0.01
"""Size of the last layers at first, relative to what their classes draw."""

NETWORKS = "; ".join(f"{name}: {entry.what}" for name, entry in ARCHITECTURES.items()) + "."
"""Every network in a few words, for help."""

if TYPE_CHECKING:
    NetworkName = str
else:
    NetworkName = tyro.extras.literal_type_from_choices(ARCHITECTURES)

USUAL_SHARING: Sharing = "pre_decoupled"

_CONVOLUTIONS = {"sem": SemGConv, "vanilla": GConv}


_LATER = (
    "clusters",
    "clusters_seed",
    "padding",
    "fusion",
    "head",
    "facing",
    "sharing",
    "spacing",
)
"""Options that files from before there was a choice do not name."""


@dataclass(frozen=True)
class NetworkOptions:
    """Which network, and how wide."""

    network: Annotated[NetworkName, tyro.conf.arg(help=NETWORKS)] = "hgn"
    channels: int | None = None
    """Features per node; by default as many as in the network's paper."""
    conv: Literal["sem", "vanilla"] = "sem"
    """sem: learned edge weights (SemGConv); vanilla: normalised adjacency (GConv). Of hgn, semgcn
    and graphsh."""
    fusion_order: Literal["parallel", "sequential"] = "parallel"
    """Of HGN's scales: parallel is the paper's equation 3, sequential its published code."""
    dropout: float | None = None
    """Share of features dropped after every layer; by default that of the network's paper."""
    without: Literal["none", "48", "96"] = "none"
    """Leave the graph of so many nodes out of HGN, as in the paper's ablation."""
    clusters: Literal[Clusters, "none"] = "heavy_edge"
    """What the nodes of HGN's coarse graphs are. heavy_edge: the paper's; the others are controls.
    area: compact pieces of equal surface; farthest: what is nearest to points far from each other;
    random: pieces around random vertices; scattered: any vertices; none: no such graphs, HGN's
    bottom subnetwork alone."""
    clusters_seed: int = 0
    """Of random and scattered clusters."""
    padding: Literal["none", "published"] = "none"
    """published: of HGN's 48 and 96 nodes only 45 and 83 stand for vertices and are supervised, as
    in its published code; the others have no edges."""
    non_local: SeenByNonLocal = "parts"
    """What SemGCN's non-local blocks see: parts, the parts of the body, over which its published
    code pools joints; joints, every joint; none leaves the blocks out."""
    fusion: Fusion = "every"
    """After which stages body_streams' streams read each other: every, or the last one alone."""
    head: Head | None = None
    """xyz: the network answers with coordinates; ray: with depths on the rays of the 2D joints, for
    the lens of Human3.6M's cameras, which the virtual ones have. By default xyz, and ray for
    body_streams."""
    init: Literal["published", "by_matrix"] = "by_matrix"
    """How semantic convolutions begin: published, as in the code of SemGCN and HGN; by_matrix, each
    weight matrix drawn by itself, which makes them larger, and last layers a hundred times
    smaller."""
    frames: int | None = None
    """Frames that the network is given around each one, neighbours in the data; by default as many
    as in its paper. Networks that are given a clip have a choice."""
    spacing: int = 1
    """Frames of the data from one frame of a clip to the next: a clip of 27 in steps of 3 shows as
    much of the motion as one of 79."""
    sharing: Sharing = USUAL_SHARING
    """Which pairs of joints of weight_sharing share a weight matrix: full, all; pre, those with one
    sender; post, those with one receiver; none, nobody; convolution, those that lead towards the
    pelvis, and those away from it. With decoupled, others for what a joint tells itself."""
    facing: bool = False
    """Turn the camera to the person and bring the person to one size before the network sees
    them, and turn the answer back: any lens, any place in the image, any distance. One turn and one
    size for a whole clip."""

    def __post_init__(self) -> None:
        one_of(self.network, "network", tuple(ARCHITECTURES))
        if self.channels is not None:
            self._check_channels(whole_number(self.channels, "channels", least=1))
        one_of(self.conv, "conv", tuple(_CONVOLUTIONS))
        one_of(self.fusion_order, "fusion_order", ("parallel", "sequential"))
        if self.dropout is not None and not 0 <= real_number(self.dropout, "dropout") <= 1:
            raise ValueError(f"dropout = {self.dropout} must lie between 0 and 1")
        one_of(self.without, "without", ("none", "48", "96"))
        one_of(self.clusters, "clusters", (*get_args(Clusters), "none"))
        whole_number(self.clusters_seed, "clusters_seed", least=0)
        one_of(self.padding, "padding", ("none", "published"))
        self._check_coarse_graphs()
        one_of(self.non_local, "non_local", get_args(SeenByNonLocal))
        one_of(self.fusion, "fusion", get_args(Fusion))
        if self.fusion != "every" and not (self.begins_by_distance and self.has_meshes):
            raise ValueError(
                f"fusion = {self.fusion} is of the streams of body_streams, and there are none; "
                "leave it out"
            )
        if self.head is not None:
            one_of(self.head, "head", get_args(Head))
        one_of(self.init, "init", ("published", "by_matrix"))
        if self.conv != "sem" and not ARCHITECTURES[self.network].takes_convolutions:
            raise ValueError(
                f"conv = {self.conv} means nothing to {self.network}, whose layers are its own; "
                "leave it out"
            )

        if self.non_local != "parts" and not ARCHITECTURES[self.network].takes_non_local:
            raise ValueError(
                f"non_local = {self.non_local} means nothing to {self.network}, which has no such "
                "choice; leave it out"
            )

        one_of(self.sharing, "sharing", get_args(Sharing))
        if self.sharing != USUAL_SHARING and not ARCHITECTURES[self.network].takes_sharing:
            raise ValueError(
                f"sharing = {self.sharing} means nothing to {self.network}, which has no such "
                "choice; leave it out"
            )
        if self.frames is not None:
            self._check_frames(whole_number(self.frames, "frames", least=1))
        whole_number(self.spacing, "spacing", least=1)
        if self.spacing > 1 and self.window == 1:
            raise ValueError(
                f"spacing = {self.spacing} is of the frames of a clip, and {self.network} is given "
                "one frame; leave it out"
            )

    def _check_frames(self, frames: int) -> None:
        choices = ARCHITECTURES[self.network].frames
        if frames in choices:
            return
        if choices == (1,):
            raise ValueError(
                f"frames = {frames} means nothing to {self.network}, which is given one frame; "
                "leave it out"
            )
        known = ", ".join(map(str, sorted(choices)))
        raise ValueError(f"frames = {frames} is none of those of {self.network}: {known}")

    def _check_coarse_graphs(self) -> None:
        """Refuse options of coarse graphs where there are none."""
        own = ARCHITECTURES[self.network].has_meshes
        if self.clusters != "heavy_edge" and not own:
            raise ValueError(
                f"clusters = {self.clusters} are nodes of coarse graphs, and {self.network} has "
                "none; leave it out"
            )
        for name, value, what in (
            ("without", self.without, "leaves a coarse graph out"),
            ("padding", self.padding, "pads coarse graphs"),
        ):
            if value != "none" and not self.has_meshes:
                whose = self.network if not own else "clusters = none"
                raise ValueError(f"{name} = {value} {what}, and {whose} has none; leave it out")
        if self.clusters_seed and self.clusters not in ("random", "scattered"):
            raise ValueError(
                f"clusters_seed = {self.clusters_seed} is of random clusters, and clusters = "
                f"{self.clusters}; leave it out"
            )
        if self.padding != "none" and self.begins_by_distance:
            raise ValueError(
                f"padding = {self.padding} adds nodes that lie nowhere, and {self.network} begins "
                "by their places; leave it out"
            )
        if self.padding != "none" and self.clusters != "heavy_edge":
            raise ValueError(
                f"padding = {self.padding} is that of heavy edge matching, and clusters = "
                f"{self.clusters}; leave one out"
            )

    def _check_channels(self, channels: int) -> None:
        step = ARCHITECTURES[self.network].channels_step
        if channels % step:
            raise ValueError(
                f"channels = {channels} must be a multiple of {step} for {self.network}, which "
                f"shares them out; take {channels + step - channels % step}"
            )

    @property
    def width(self) -> int:
        """Features per node, those that were asked for or those of the paper.

        Examples
        --------
        >>> from examples.hgn_pose.network.building import NetworkOptions
        >>> NetworkOptions().width, NetworkOptions(channels=64).width
        (128, 64)
        """
        return ARCHITECTURES[self.network].channels if self.channels is None else self.channels

    @property
    def window(self) -> int:
        """Frames that the network is given at once, those asked for or those of its paper.

        Examples
        --------
        >>> from examples.hgn_pose.network.building import NetworkOptions
        >>> NetworkOptions().window
        1
        """
        return ARCHITECTURES[self.network].frames[0] if self.frames is None else self.frames

    def as_json(self) -> dict[str, Any]:
        """All that builds the network again, whatever the width of its paper is by then."""
        options = {**asdict(self), "channels": self.width, "frames": self.window}
        if not ARCHITECTURES[self.network].takes_non_local:
            del options["non_local"]
        if ARCHITECTURES[self.network].frames == (1,):
            del options["frames"]
        for name in _LATER:
            if options[name] == getattr(NetworkOptions, name):
                del options[name]
        return options

    @property
    def begins_by_distance(self) -> bool:
        """Whether it is built from where joints and coarse nodes lie at rest."""
        return ARCHITECTURES[self.network].begins_by_distance

    @property
    def has_meshes(self) -> bool:
        """Whether the network also predicts coarse meshes."""
        return ARCHITECTURES[self.network].has_meshes and self.clusters != "none"

    @property
    def graphs(self) -> CoarseGraphs:
        """The coarse graphs that it works on; the usual ones for a network without any."""
        if self.clusters == "none":
            return CoarseGraphs()
        sizes = MESH_SIZES if self.padding == "none" else PUBLISHED_REAL
        return CoarseGraphs(self.clusters, self.clusters_seed, sizes)

    @property
    def mesh_sizes(self) -> tuple[int, ...]:
        """Nodes of the coarse meshes in the order of the outputs, without padding.

        Examples
        --------
        >>> from examples.hgn_pose.network.building import NetworkOptions
        >>> NetworkOptions().mesh_sizes, NetworkOptions(without="48").mesh_sizes
        ((48, 96), (96,))
        >>> NetworkOptions(padding="published").mesh_sizes
        (45, 83)
        """
        return tuple(real for _, real in self._sizes())

    def padded(self, hierarchy: Hierarchy) -> tuple[Graph, ...]:
        """The coarse graphs with their padding, in the order of the outputs."""
        return tuple(_padded(hierarchy.level(real).graph, size) for size, real in self._sizes())

    def _sizes(self) -> list[tuple[int, int]]:
        """Nodes of each coarse graph, and how many of them stand for vertices."""
        pairs = zip(MESH_SIZES, self.graphs.sizes, strict=True)
        return [pair for pair in pairs if self.has_meshes and str(pair[0]) != self.without]


def _padded(graph: Graph, size: int) -> Graph:
    """A graph with nodes without edges at its end."""
    more = size - graph.num_nodes
    if not more:
        return graph
    return Graph(
        np.append(graph.indptr, np.full(more, graph.indptr[-1])),
        graph.indices,
        graph.weights,
        np.append(graph.node_weights, np.ones(more)),
    )


def build_network(
    options: NetworkOptions,
    hierarchy: Hierarchy | None,
    seed: int,
    body: BodyModel | None = None,
) -> nn.Module:
    """A network with first weights drawn from the seed; global random state stays as it was.

    Of semantic convolutions with ``init="published"`` see
    :func:`~examples.hgn_pose.network.first_weights.as_published`. All other networks begin with a
    last layer a hundred times smaller than its class draws it, so that the first answers lie near
    the pelvis and not metres away. Without this the first thousand steps only shrink it.

    Parameters
    ----------
    options : NetworkOptions
    hierarchy : Hierarchy, optional
        Of the body, as ``options.graphs`` makes it; only HGN and body_streams need it.
    seed : int
    body : BodyModel, optional
        The body; only body_streams needs it, which begins by where its joints and nodes lie.

    Returns
    -------
    nn.Module
        On the CPU. Takes (B, 17, 2), or with several frames (B, T, 17, 2), and returns a tuple:
        the pose, and for HGN the meshes.

    Raises
    ------
    ValueError
        When HGN is asked for without a hierarchy, or body_streams without it or a body.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        architecture = ARCHITECTURES[options.network]
        model = architecture.build(_wanted(options, hierarchy, body))
        if (options.head or architecture.head) == "ray":
            model = RayHead(model)
        if options.init == "published" and any(isinstance(m, SemGConv) for m in model.modules()):
            as_published(model)
            return Facing(model) if options.facing else model
    for layer in architecture.last_layers(answering(model)):
        scale_answers(layer, FIRST_ANSWERS)
    return Facing(model) if options.facing else model


def _wanted(options: NetworkOptions, hierarchy: Hierarchy | None, body: BodyModel | None) -> Wanted:
    if options.has_meshes and hierarchy is None:
        raise ValueError(
            f"hierarchy is missing; {options.network} runs on the graphs of a coarsened body"
        )
    return Wanted(
        channels=options.width,
        convolution=_CONVOLUTIONS[options.conv],
        fusion_order=options.fusion_order,
        dropout=options.dropout,
        non_local=options.non_local,
        frames=options.window,
        sharing=options.sharing,
        skeleton=skeleton_graph(),
        meshes=() if hierarchy is None else options.padded(hierarchy),
        answering=None if options.padding == "none" else options.mesh_sizes,
        nearness=_nearness(options, hierarchy, body),
        fusion=options.fusion,
    )


def _nearness(
    options: NetworkOptions, hierarchy: Hierarchy | None, body: BodyModel | None
) -> DistanceTransfer | None:
    if not options.begins_by_distance or hierarchy is None:
        return None
    if body is None:
        raise ValueError(
            f"body is missing; {options.network} begins by where its joints and nodes lie"
        )
    levels = [hierarchy.level(size) for size in options.mesh_sizes]
    places = [hierarchy.coarse_positions(body.rest_vertices, level.index) for level in levels]
    return DistanceTransfer([rest_joints(body), *places])


def count_parameters(model: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(parameter.numel() for parameter in model.parameters())
