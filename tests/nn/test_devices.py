"""Several CUDA devices in one process, and several processes."""

from __future__ import annotations

import copy
import os
import socket
import threading
from pathlib import Path

import pytest
import torch
import torch.distributed as distributed
from layer_graphs import ring
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from multiscale_gcn.nn import MultiScaleGCN, SemGConv

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
two_devices = pytest.mark.skipif(
    torch.cuda.device_count() < 2, reason="needs two CUDA devices in one machine"
)


def layers() -> list[tuple[nn.Module, list[Tensor]]]:
    """With inputs: one for each sort of kernel, and a network of two scales."""
    torch.manual_seed(0)
    scales = MultiScaleGCN(
        [ring(48, 2), ring(300, 2)],
        [(0, 1)],
        in_channels=[3, 3],
        channels=32,
        out_channels=[3, 2],
    )
    return [
        (SemGConv(128, 128, ring(48, 3)), [torch.randn(4, 48, 128)]),
        (SemGConv(2, 128, ring(17)), [torch.randn(4, 17, 2)]),
        (SemGConv(32, 16, ring(700, 4)), [torch.randn(4, 700, 32)]),
        (SemGConv(16, 8, ring(30), per_channel=True), [torch.randn(4, 30, 16)]),
        (scales, [torch.randn(4, 48, 3), torch.randn(4, 300, 3)]),
    ]


def gradients(layer: nn.Module, inputs: list[Tensor], device: str) -> list[Tensor]:
    """The loss and those of the parameters."""
    layer = layer.to(device)
    results = layer(*(x.to(device) for x in inputs))
    results = results if isinstance(results, tuple | list) else [results]
    loss = torch.stack([y.square().mean() for y in results]).sum()
    return [loss.detach(), *torch.autograd.grad(loss, list(layer.parameters()))]


def close(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.cpu(), other.cpu(), rtol=2e-3, atol=2e-4)


@two_devices
def test_a_device_that_is_not_the_current_one() -> None:
    assert torch.cuda.current_device() == 0
    for layer, inputs in layers():
        expected = gradients(layer, inputs, "cpu")
        close(gradients(layer, inputs, "cuda:1"), expected)
        assert torch.cuda.current_device() == 0


@two_devices
def test_threads_on_two_devices_at_once() -> None:
    cases = layers()
    expected = [gradients(*case, "cpu") for case in cases]
    found: dict[str, list[list[Tensor]]] = {"cuda:0": [], "cuda:1": []}

    def run(device: str) -> None:
        for _ in range(3):
            found[device] = [
                gradients(copy.deepcopy(layer), inputs, device) for layer, inputs in cases
            ]

    threads = [threading.Thread(target=run, args=(device,)) for device in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results in found.values():
        for one, other in zip(results, expected, strict=True):
            close(one, other)


def _rank(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    several = torch.cuda.device_count() > 1
    device = torch.device("cuda", rank if several else 0)
    torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if several else "gloo", rank=rank, world_size=2)
    try:
        layer = _trained().to(device)
        model = DistributedDataParallel(layer, device_ids=[device.index])
        x, y = _batch()
        half = slice(4 * rank, 4 * rank + 4)
        (model(x[half].to(device)) - y[half].to(device)).square().mean().backward()
        grads = [p.grad.cpu() for p in layer.parameters() if p.grad is not None]
        torch.save(grads, Path(folder) / f"{rank}.pt")
    finally:
        distributed.destroy_process_group()


def _trained() -> nn.Module:
    torch.manual_seed(0)
    graph = ring(48, 3)
    return nn.Sequential(
        SemGConv(2, 128, graph), SemGConv(128, 128, graph), SemGConv(128, 3, graph)
    )


def _batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(8, 48, 2, generator=generator), torch.randn(8, 48, 3, generator=generator)


@pytest.mark.slow
def test_data_parallel_training_averages_the_gradients(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_rank, args=(port, str(tmp_path)), nprocs=2)
    layer = _trained().cuda()
    x, y = (tensor.cuda() for tensor in _batch())
    (layer(x) - y).square().mean().backward()
    expected = [p.grad for p in layer.parameters() if p.grad is not None]
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other.cpu(), rtol=1e-3, atol=1e-5)
