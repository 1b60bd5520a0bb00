"""Trained networks side by side: read from their files, and tested on the same frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from examples.hgn_pose.body.coarse import CoarseGraphs
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.network.passports import (
    check_body,
    check_unseen,
    load_network,
    network_of,
)
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.network.weights import read_passport
from examples.hgn_pose.samples.preparing import PreparedData, prepare_data


@dataclass(frozen=True, eq=False)
class ComparedNetwork:
    """A network and what to call it in a figure."""

    name: str
    network: str
    """As in :class:`examples.hgn_pose.network.building.NetworkOptions`."""
    model: nn.Module
    meshes: bool
    """Whether it was trained to predict coarse meshes."""
    frames: int
    """How many it is given at once."""
    spacing: int
    """How far apart these are in the data."""


def load_for_comparison(
    weights: Sequence[Path], data: DataOptions, device: torch.device, *, meshes: bool
) -> tuple[list[ComparedNetwork], PreparedData, DataOptions]:
    """Networks of several files of weights, and the test frames to compare them on.

    Parameters
    ----------
    weights : sequence of Path
        Files that demo or train wrote.
    data : DataOptions
        With ``auto``, what the first network was trained on decides.
    device : torch.device
        Where networks and frames go.
    meshes : bool
        Whether true meshes are wanted too, if a network predicts any.

    Returns
    -------
    networks : list of ComparedNetwork
        In the order of the files. Their names tell them apart.
    prepared : PreparedData
        Its test frames.
    data : DataOptions
        What was tested on.

    Raises
    ------
    FileNotFoundError
        When a file is missing.
    ValueError
        When a file is named twice, or cannot be used.
    """
    twice = [
        path for path, count in Counter(path.resolve() for path in weights).items() if count > 1
    ]
    if twice:
        raise ValueError(f"weights: {twice[0]} is named twice; name each file once")
    passports = [read_passport(path) for path in weights]
    data = data.settled(passports[0].facts["data"])
    predicts = [passport.facts["meshes"] for passport in passports]
    body = data.load_body()
    for path, passport in zip(weights, passports, strict=True):
        check_body(path, passport, body)
        check_unseen(path, passport, data)
    options = [network_of(*pair) for pair in zip(weights, passports, strict=True)]
    targets = {
        (one.graphs, one.mesh_sizes)
        for one, has_meshes in zip(options, predicts, strict=True)
        if has_meshes and meshes
    }
    if len(targets) > 1:
        sizes_of, clusters = {s for _, s in targets}, {graphs.clusters for graphs, _ in targets}
        raise ValueError(
            f"weights: the networks predict different meshes, of {sorted(sizes_of)} nodes of "
            f"{', '.join(sorted(clusters))} clusters; name one of them, or compare their poses "
            "with the command robustness"
        )
    graphs, sizes = next(iter(targets), (CoarseGraphs(), ()))
    prepared = prepare_data(
        data,
        device,
        mesh_sizes=sizes,
        frames=max(one.window for one in options),
        test_only=True,
        body=body,
        graphs=graphs,
    )
    hierarchies = {wanted: wanted.of(body) for wanted in {one.graphs for one in options}}
    kinds = [one.network for one in options]
    networks = [
        ComparedNetwork(
            name=_title(kind) if kinds.count(kind) == 1 else f"{_title(kind)}, {_short(path)}",
            network=kind,
            model=load_network(path, body, hierarchies[one.graphs]).to(device),
            meshes=has_meshes,
            frames=one.window,
            spacing=one.spacing,
        )
        for path, kind, one, has_meshes in zip(weights, kinds, options, predicts, strict=True)
    ]
    return networks, prepared, data


def _short(path: Path) -> str:
    return f"{path.resolve().parent.name}/{path.stem}"


def _title(network: str) -> str:
    return ARCHITECTURES[network].title
