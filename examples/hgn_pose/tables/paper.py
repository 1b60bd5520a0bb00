"""The tables of Li et al. 2021 (HGN), and those that the paper does not have."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from examples.hgn_pose.network.architecture import Sharing
from examples.hgn_pose.network.building import USUAL_SHARING, NetworkOptions
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.tables.lifters import ABLATION, CHOICES, LIFTER, LIFTER_CLIPS
from examples.hgn_pose.tables.literature import BY_ACTION, BY_ACTION_ALIGNED, GENERALISATION
from examples.hgn_pose.tables.table import Entry, Table

ERRORS = ("mpjpe", "pa_mpjpe")
MESHES = ("mpvpe_96", "mpvpe_48")
SHARINGS: dict[Sharing, str] = {
    "full": "Full sharing",
    "full_decoupled": "Full sharing, decoupled",
    "pre": "Pre-aggregation",
    "pre_decoupled": "Pre-aggregation, decoupled",
    "post": "Post-aggregation",
    "post_decoupled": "Post-aggregation, decoupled",
    "convolution": "Convolution style",
    "none": "No sharing",
}


def _hgn(
    channels: int = 128,
    without: Literal["none", "48", "96"] = "none",
    conv: Literal["sem", "vanilla"] = "sem",
) -> NetworkOptions:
    return NetworkOptions("hgn", channels, conv, without=without, init="published")


def _semgcn(conv: Literal["sem", "vanilla"] = "sem") -> NetworkOptions:
    return NetworkOptions("semgcn", conv=conv, init="published")


def _graphsh(conv: Literal["sem", "vanilla"] = "sem") -> NetworkOptions:
    return NetworkOptions("graphsh", conv=conv, init="published")


def _printed(mpjpe: float, pa_mpjpe: float | None, parameters: float) -> dict[str, float]:
    printed = {"mpjpe": mpjpe, "pa_mpjpe": pa_mpjpe, "parameters": parameters}
    return {name: value for name, value in printed.items() if value is not None}


MESH_WEIGHT = Table(
    "1",
    "Weight of the mesh constraint",
    ERRORS,
    tuple(
        Entry(f"HGN, lambda_M = {weight:g}", _hgn(), weight, _printed(mpjpe, pa_mpjpe, 1.04))
        for weight, mpjpe, pa_mpjpe in (
            (0.0, 38.31, 29.04),
            (0.001, 37.68, 28.79),
            (0.01, 37.32, 28.51),
            (0.1, 38.69, 29.09),
            (1.0, 39.64, 29.81),
        )
    ),
)
TOPOLOGY = Table(
    "2",
    "Denser graphs, lambda_M = 0.01",
    (*ERRORS, *MESHES),
    (
        Entry("SemGCN", _semgcn(), paper=_printed(40.78, 31.01, 0.43)),
        Entry(
            "HGN without 48",
            _hgn(without="48"),
            paper={**_printed(38.69, 29.07, 0.82), "mpvpe_96": 66.28},
        ),
        Entry(
            "HGN without 96",
            _hgn(without="96"),
            paper={**_printed(37.83, 28.71, 0.81), "mpvpe_48": 65.92},
        ),
        Entry(
            "HGN",
            _hgn(),
            paper={**_printed(37.32, 28.51, 1.04), "mpvpe_96": 62.74, "mpvpe_48": 61.76},
        ),
    ),
)
TOPOLOGY_ALONE = Table(
    "3",
    "Denser graphs, lambda_M = 0",
    ERRORS,
    (
        Entry("SemGCN", _semgcn(), 0.0, _printed(40.78, 31.01, 0.43)),
        Entry("HGN without 48", _hgn(without="48"), 0.0, _printed(38.94, 29.47, 0.82)),
        Entry("HGN without 96", _hgn(without="96"), 0.0, _printed(38.59, 29.18, 0.81)),
        Entry("HGN", _hgn(), 0.0, _printed(38.31, 29.04, 1.04)),
        Entry("HGN without 48", _hgn(91, "48"), 0.0, _printed(39.87, 30.31, 0.43)),
        Entry("HGN without 96", _hgn(92, "96"), 0.0, _printed(39.71, 30.32, 0.43)),
        Entry("HGN", _hgn(79), 0.0, _printed(39.26, 29.60, 0.43)),
    ),
)
ARCHITECTURE = Table(
    "4",
    "Architectures with both convolutions",
    ("mpjpe",),
    (
        Entry("SeqRes, sem", _semgcn(), paper=_printed(40.78, None, 0.43)),
        Entry("GraphSH, sem", _graphsh(), paper=_printed(39.20, None, 0.44)),
        Entry("HGN, sem", _hgn(64), paper=_printed(38.74, None, 0.29)),
        Entry("HGN, sem", _hgn(), paper=_printed(37.32, None, 1.04)),
        Entry("SeqRes, vanilla", _semgcn("vanilla"), paper=_printed(65.90, None, 0.30)),
        Entry("GraphSH, vanilla", _graphsh("vanilla"), paper=_printed(59.10, None, 0.22)),
        Entry("HGN, vanilla", _hgn(64, conv="vanilla"), paper=_printed(42.92, None, 0.21)),
        Entry("HGN, vanilla", _hgn(conv="vanilla"), paper=_printed(40.66, None, 0.71)),
    ),
)
NETWORKS = Table(
    "networks",
    "All networks that are given one frame, each as wide as in its paper",
    (*ERRORS, *MESHES),
    (
        *(
            Entry(entry.title, NetworkOptions(name, init="published"))
            for name, entry in ARCHITECTURES.items()
            if entry.frames == (1,)
        ),
        Entry(
            "SemGCN without non-local",
            NetworkOptions("semgcn", non_local="none", init="published"),
        ),
    ),
    source="",
)
START = Table(
    "start",
    "How semantic convolutions begin",
    ERRORS,
    tuple(
        Entry(f"{name}, {init}", NetworkOptions(network, init=init))
        for name, network in (("HGN", "hgn"), ("SemGCN", "semgcn"))
        for init in ("published", "by_matrix")
    ),
    source="",
)
_CONTROLS: tuple[
    tuple[str, Literal["area", "farthest", "random", "scattered", "none"], int], ...
] = (
    ("compact, of equal area", "area", 0),
    ("around points far apart", "farthest", 0),
    ("around random vertices", "random", 0),
    ("around random vertices, others", "random", 1),
    ("scattered vertices", "scattered", 0),
    ("no body graph", "none", 0),
)
CONTROLS = Table(
    "controls",
    "HGN on other clusters of the body",
    (*ERRORS, *MESHES),
    (
        Entry("heavy edges, the paper's", _hgn()),
        *(
            Entry(label, replace(_hgn(), clusters=clusters, clusters_seed=seed))
            for label, clusters, seed in _CONTROLS
        ),
        Entry("no body graph, as many parameters", replace(_hgn(207), clusters="none")),
    ),
    source="",
)
PUBLISHED = Table(
    "published",
    "HGN as in the paper, and as in its published code",
    ERRORS,
    (
        Entry("HGN, the paper's", _hgn()),
        Entry("averaged over nodes", _hgn(), None, loss_reduction="mean"),
        Entry("the code's loss", _hgn(), None, loss_reduction="published"),
        Entry("the code's fusion, in sequence", replace(_hgn(), fusion_order="sequential")),
        Entry("the code's padding", replace(_hgn(), padding="published")),
        Entry(
            "all of the code's",
            replace(_hgn(), fusion_order="sequential", padding="published"),
            None,
            loss_reduction="published",
        ),
    ),
    source="",
)
CLIPS = Table(
    "clips",
    "Networks that are given clips, beside some that see one frame",
    ERRORS,
    (
        *(
            Entry(
                f"{entry.title}, {frames} {'frame' if frames == 1 else 'frames'}",
                NetworkOptions(name, init="published", frames=frames),
            )
            for name, entry in ARCHITECTURES.items()
            if entry.frames != (1,) and entry.head == "xyz"
            for frames in sorted(entry.frames)
        ),
        *(
            Entry(ARCHITECTURES[name].title, NetworkOptions(name, init="published"))
            for name in ("hgn", "semgcn", "mlp")
        ),
    ),
    source="",
)
SHARING = Table(
    "sharing",
    "Who shares a weight matrix",
    ERRORS,
    tuple(
        Entry(
            title,
            NetworkOptions("weight_sharing", init="published", sharing=sharing),
            paper={"parameters": 4.22} if sharing == USUAL_SHARING else {},
        )
        for sharing, title in SHARINGS.items()
    ),
    source="Liu et al. 2020, counted on 16 joints",
)


TABLES = {
    table.name: table
    for table in (
        MESH_WEIGHT,
        TOPOLOGY,
        TOPOLOGY_ALONE,
        ARCHITECTURE,
        BY_ACTION,
        BY_ACTION_ALIGNED,
        GENERALISATION,
        NETWORKS,
        CLIPS,
        SHARING,
        START,
        CONTROLS,
        PUBLISHED,
        LIFTER,
        ABLATION,
        LIFTER_CLIPS,
        CHOICES,
    )
}
