"""What weights say about themselves: passports, and networks that are built as these say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.built_in import BUILT_IN
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.network.tensor_files import REMEDY
from examples.hgn_pose.network.weights import (
    Passport,
    load_weights,
    read_weights,
)
from multiscale_gcn import Hierarchy


def load_network(weights: Path, body: BodyModel, hierarchy: Hierarchy) -> nn.Module:
    """The network of a file of weights, on the CPU.

    Parameters
    ----------
    weights : Path
        File that demo or train wrote.
    body : BodyModel
    hierarchy : Hierarchy
        Of the body.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`examples.hgn_pose.network.weights.load_weights`, and when the network works on the
        graphs of another body.
    """
    passport, tensors = read_weights(weights)
    check_body(weights, passport, body)
    options = network_of(weights, passport)
    widest = max((size for value in tensors.values() for size in value.shape), default=0)
    if options.width > widest:
        raise ValueError(
            f"{weights} is damaged: its passport says channels = {options.width}, and its "
            f"widest tensor has {widest}; {REMEDY}"
        )
    model = build_network(options, hierarchy, 0, body)
    load_weights(weights, model, fingerprint_for(options, hierarchy))
    return model


def network_of(weights: Path, passport: Passport) -> NetworkOptions:
    """The options of the network that a file of weights is of.

    SemGCN of a file that does not say what its non-local blocks see is one whose blocks see every
    joint: there was no other.

    Raises
    ------
    ValueError
        Naming the file, when its passport has no such options.
    """
    with reading(weights, REMEDY):
        options = NetworkOptions(**passport.network)
    if "non_local" not in passport.network and ARCHITECTURES[options.network].takes_non_local:
        return replace(options, non_local="joints")
    return options


def check_body(weights: Path, passport: Passport, body: BodyModel) -> None:
    """Refuse a body other than the one whose graphs a network works on."""
    trained_with = passport.facts.get("body", BUILT_IN)
    if network_of(weights, passport).has_meshes and trained_with != body.name:
        remedy = (
            "leave --body-model out"
            if trained_with == BUILT_IN
            else "give its model file with --body-model"
        )
        raise ValueError(
            f"{weights} works on the graphs of {trained_with}, but here is {body.name}; {remedy}"
        )


def check_unseen(weights: Path, passport: Passport, data: DataOptions) -> None:
    """Refuse to measure a network on training performers whom it was trained on."""
    kept = passport.facts.get("held_out", [])
    seen = [name for name in data.validation if name not in kept]
    if seen and passport.facts["data"] == data.settled(passport.facts["data"]).data:
        raise ValueError(
            f"{weights} was trained on {', '.join(seen)}, whom held_out would measure; "
            + (f"hold out {', '.join(kept)}" if kept else "leave held_out and fold away")
            + ", or train with the same held_out"
        )


def passport_of(
    network: NetworkOptions,
    body: BodyModel,
    hierarchy: Hierarchy,
    data: DataOptions,
    meshes: bool,
) -> Passport:
    """What the weights of a network trained on some data say about themselves."""
    train_every, _ = data.strides()
    return Passport(
        network=network.as_json(),
        fingerprint=fingerprint_for(network, hierarchy),
        facts={
            "data": data.data,
            "train_every": train_every,
            "meshes": meshes,
            "body": body.name,
            **data.input_facts(),
            **({"held_out": list(data.validation)} if data.validation else {}),
        },
    )


def fingerprint_for(network: NetworkOptions, hierarchy: Hierarchy) -> str:
    """Fingerprint of the graphs that a network depends on; empty if it uses no coarse graph."""
    return hierarchy.fingerprint if network.has_meshes else ""
