"""The library's layers under what PyTorch has for several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.distributed as dist
from layer_graphs import ring
from processes_together import run_together
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from benchmarks.nn.mesh_parts import Convolutions, Part
from multiscale_gcn.nn import MultiScaleGCN, RecordedStep

STEPS = 4


def network() -> MultiScaleGCN:
    torch.manual_seed(0)
    return MultiScaleGCN(
        [ring(12, 2), ring(6, 1)], [(0,), (0, 1)], in_channels=2, channels=4, out_channels=[3, 1]
    )


def without_norms(model: nn.Module) -> nn.Module:
    """Statistics of half a batch are others than those of a batch: so none are taken."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    return model


def batch(part: slice) -> tuple[Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(8, 12, 2, generator=generator)
    targets = [torch.randn(8, n, c, generator=generator) for n, c in ((12, 3), (6, 1))]
    return x[part], [target[part] for target in targets]


def losses(run: nn.Module, part: slice, *, recorded: bool = False) -> Tensor:  # [STEPS]
    optimizer = torch.optim.SGD(run.parameters(), lr=0.05)
    x, targets = batch(part)

    def step(x: Tensor) -> Tensor:
        outputs = zip(run(x), targets, strict=True)
        loss = torch.stack([(y - target).square().mean() for y, target in outputs]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    take = RecordedStep(step) if recorded else step
    return torch.stack([take(x) for _ in range(STEPS)])


def mesh_losses(part: int, parts: int, group: Any) -> Tensor:  # [STEPS]
    """Of a part of a graph, times the number of parts, as the mean over them is taken."""
    graph = ring(30, 2)
    matrix = sp.csr_array(graph.to_scipy() / 5.0).astype(np.float32)
    labels = np.arange(30) * parts // 30
    torch.manual_seed(0)
    model = Convolutions(Part(matrix, labels, part, group), 4, 3)
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))[model.part.nodes]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = []
    for _ in range(STEPS):
        loss = parts * (model(x) - x).square().mean(1).sum() / 30
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            if group is not None and parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= parts
        optimizer.step()
        found.append(loss.detach())
    return torch.stack(found)


def several(folder: str) -> dict[str, Tensor]:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    half = slice(4 * rank, 4 * rank + 4)
    found = {
        "ddp": losses(DistributedDataParallel(without_norms(network())), half),
        "ddp step": losses(DistributedDataParallel(without_norms(network())), half, recorded=True),
    }
    sharded: Any = without_norms(network())
    mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
    for block in sharded.blocks:
        for scale in block.values():
            fully_shard(scale, mesh=mesh)
    found["fsdp2"] = losses(fully_shard(sharded, mesh=mesh), half)
    found["parts"] = mesh_losses(rank, 2, dist.group.WORLD)
    for losses_here in found.values():
        dist.all_reduce(losses_here)
        losses_here /= 2
    dist.destroy_process_group()
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder: Path = tmp_path_factory.mktemp("both")
    return run_together("test_several_processes", "several", folder)


@pytest.mark.parametrize("way", ["ddp", "ddp step", "fsdp2"])
def test_losses_of_two_processes_are_those_of_one(both: list[Any], way: str) -> None:
    expected = losses(without_norms(network()), slice(None))
    assert float(expected[-1]) < float(expected[0])
    for found in both:
        torch.testing.assert_close(found[way], expected, rtol=1e-5, atol=1e-6)


def test_a_mesh_in_two_parts_is_the_whole_mesh(both: list[Any]) -> None:
    expected = mesh_losses(0, 1, None)
    assert float(expected[-1]) < float(expected[0])
    for found in both:
        torch.testing.assert_close(found["parts"], expected, rtol=1e-5, atol=1e-6)


def test_blocks_ask_the_class_that_synchronises() -> None:
    """A block has kernels for batch normalisation, and must not take them for SyncBatchNorm."""
    model = nn.SyncBatchNorm.convert_sync_batchnorm(network())
    norms = [module for module in model.modules() if isinstance(module, nn.SyncBatchNorm)]
    x, _ = batch(slice(None))
    with patch.object(
        nn.SyncBatchNorm, "forward", autospec=True, side_effect=nn.SyncBatchNorm.forward
    ) as asked:
        expected = network()(x)
        assert asked.call_count == 0
        found = model(x)
    assert asked.call_count == len(norms) > 4
    torch.testing.assert_close(found, expected)
