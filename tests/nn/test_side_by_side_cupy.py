"""Recordings whose streams part, on a CUDA device, against the same work on one stream."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cuda_checks import needs_kernels
from layer_graphs import ring
from torch import Tensor

from multiscale_gcn.nn import MultiScaleGCN, Recorded, RecordedStep
from multiscale_gcn.nn import network as layer_by_layer
from multiscale_gcn.ops.kernels import side_streams

pytestmark = needs_kernels
GRAPHS = [ring(17, 2), ring(48, 3), ring(96, 3)]
STAGES = [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)]


def network(channels: int = 128, **options: Any) -> MultiScaleGCN:
    options = {"in_channels": 2, "channels": channels, "out_channels": 3} | options
    return MultiScaleGCN(GRAPHS, STAGES, **options).cuda()


def training(
    network: MultiScaleGCN, make: Callable[..., torch.optim.Optimizer]
) -> Callable[[Tensor], Tensor]:
    optimizer = make(network.parameters())

    def step(x: Tensor) -> Tensor:
        loss = torch.stack([y.square().mean() for y in network(x)]).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


def fused(parameters: Any) -> torch.optim.Optimizer:
    rate = torch.tensor(1e-3, device="cuda")
    return torch.optim.Adam(parameters, lr=rate, capturable=True, fused=True)


def of_lists(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, capturable=True, foreach=True)


def fused_sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, fused=True)


class Pressure:
    """Takes memory and gives it up at random, and writes over what it takes."""

    def __init__(self, seed: int) -> None:
        self.random, self.held = random.Random(seed), dict[int, Tensor]()

    def __call__(self) -> None:
        for _ in range(20):
            size = 4 ** self.random.randrange(2, 12) + self.random.randrange(100)
            self.held[self.random.randrange(30)] = torch.full((size,), float("nan"), device="cuda")
        if self.random.random() < 0.2:
            torch.cuda.empty_cache()


def same(first: MultiScaleGCN, second: MultiScaleGCN) -> None:
    for (name, one), other in zip(
        first.state_dict().items(), second.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name


@pytest.fixture
def parted_to(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The streams that something was begun on."""
    found: set[int] = set()
    begin = side_streams._Parted.begin

    def noted(self: Any, lane: int) -> None:
        found.add(lane)
        begin(self, lane)

    monkeypatch.setattr(side_streams._Parted, "begin", noted)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [fused, of_lists, fused_sgd])
@pytest.mark.parametrize("batch", [5, 64])
def test_thirty_steps_are_those_of_one_stream_to_the_bit(
    batch: int, make: Any, seed: int, parted_to: set[int]
) -> None:
    torch.manual_seed(seed)
    first = network(channels=64 if seed % 2 else 128)
    second = copy.deepcopy(first)
    step, recorded = training(first, make), RecordedStep(training(second, make))
    pressure = Pressure(seed)
    for _ in range(30):
        x = torch.randn(batch, 17, 2, device="cuda")
        expected = step(x)
        pressure()
        assert torch.equal(recorded(x), expected)
        pressure()
    same(first, second)
    assert parted_to >= ({1, 2, 4, 5, 6} if make is of_lists else set(range(1, 8)))


def test_large_steps_are_those_of_one_stream_to_the_bit() -> None:
    torch.manual_seed(0)
    first = network()
    second = copy.deepcopy(first)
    step, recorded = training(first, fused), RecordedStep(training(second, fused))
    for _ in range(8):
        x = torch.randn(1024, 17, 2, device="cuda")
        assert torch.equal(recorded(x), step(x))
    same(first, second)


def test_a_step_of_which_some_answers_are_not_read() -> None:
    torch.manual_seed(0)
    first = network(64)
    second, made = copy.deepcopy(first), []
    for each, record in ((first, False), (second, True)):
        optimizer = torch.optim.Adam(each.parameters(), lr=1e-3, capturable=True, weight_decay=0.1)

        def step(x: Tensor, each=each, optimizer=optimizer) -> Tensor:
            loss = each(x)[0].square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        made.append(RecordedStep(step) if record else step)
    for _ in range(8):
        x = torch.randn(16, 17, 2, device="cuda")
        assert torch.equal(made[1](x), made[0](x))
    same(first, second)


def test_recordings_that_are_replayed_at_once_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    alone = [network(64) for _ in range(4)]
    together = copy.deepcopy(alone)
    steps = [training(each, fused) for each in alone]
    recorded = [RecordedStep(training(each, fused)) for each in together]
    streams = [torch.cuda.Stream() for _ in recorded]
    data = torch.randn(25, 4, 32, 17, 2, device="cuda")
    torch.cuda.synchronize()
    for each in data:
        for run, stream, x in zip(recorded, streams, each, strict=True):
            with torch.cuda.stream(stream):
                run(x)
    torch.cuda.synchronize()
    for each in data:
        for step, x in zip(steps, each, strict=True):
            step(x)
    for one, other in zip(alone, together, strict=True):
        same(one, other)


@pytest.mark.parametrize("batch", [1, 64, 1024])
def test_answers_are_those_of_one_stream_to_the_bit(
    batch: int, parted_to: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_by_layer, "in_one_kernel", lambda *_: None)
    torch.manual_seed(batch)
    made = network().eval()
    recorded, pressure = Recorded(made).eval(), Pressure(batch)
    with torch.inference_mode():
        for _ in range(20):
            x = torch.randn(batch, 17, 2, device="cuda")
            expected = made(x)
            pressure()
            for one, other in zip(recorded(x), expected, strict=True):
                assert torch.equal(one, other)
    assert recorded.reason is None
    assert parted_to == {0, 1, 2}
