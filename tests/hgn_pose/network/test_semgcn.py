"""SemGCN: what its non-local blocks see, and files of before it could be chosen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from examples.hgn_pose.body.skeleton import part_ids
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.passports import network_of
from examples.hgn_pose.network.weights import Passport, load_weights, save_weights
from multiscale_gcn.nn import NonLocal

FACTS = {"data": "builtin", "meshes": False}


def non_local_blocks(options: NetworkOptions) -> list[NonLocal]:
    model = build_network(options, None, 0)
    return [module for module in model.modules() if isinstance(module, NonLocal)]


def test_non_local_blocks_see_the_parts_by_default():
    blocks = non_local_blocks(NetworkOptions("semgcn", 8))
    assert len(blocks) == 5
    assert all(block.maxima is not None and block.maxima.num_clusters == 8 for block in blocks)
    assert all(
        b.maxima is None for b in non_local_blocks(NetworkOptions("semgcn", 8, non_local="joints"))
    )
    assert not non_local_blocks(NetworkOptions("semgcn", 8, non_local="none"))
    assert sum(map(len, part_ids())) == 17


def test_files_that_do_not_say_it_are_of_blocks_that_see_every_joint(tmp_path):
    """They load, and answer as they did."""
    torch.manual_seed(0)
    before = NetworkOptions("semgcn", 8, non_local="joints")
    model = build_network(before, None, 0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    said = {key: value for key, value in before.as_json().items() if key != "non_local"}
    path = tmp_path / "weights.safetensors"
    save_weights(path, model, Passport(said, "", FACTS))
    options = network_of(path, Passport(said, "", FACTS))
    assert options == before
    loaded = build_network(options, None, 1)
    load_weights(path, loaded, "")
    x = torch.randn(4, 17, 2)
    assert torch.equal(loaded.eval()(x)[0], model.eval()(x)[0])
    pooled = build_network(NetworkOptions("semgcn", 8), None, 1)
    load_weights(path, pooled, "")  # of the same tensors
    assert not torch.allclose(pooled.eval()(x)[0], model(x)[0])


def test_what_they_see_is_said_by_semgcn_alone():
    assert NetworkOptions("semgcn").as_json()["non_local"] == "parts"
    assert "non_local" not in NetworkOptions("hgn").as_json()
    with pytest.raises(ValueError, match="non_local = joints means nothing to hgn"):
        NetworkOptions("hgn", non_local="joints")
