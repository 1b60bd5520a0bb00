"""Recordings whose streams part, on an emulated device, under a watch over what they do when."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from cuda_checks import drawn
from emulated_device import EmulatedDevice, emulate, forget
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layer_graphs import ring
from random_schedules import Case, cases
from stream_watch import Race, watched_recording
from torch import Tensor

from multiscale_gcn.nn import GraphConvBlock, MultiScaleGCN, NonLocal, ResGConv, SemGConv
from multiscale_gcn.nn.optimizers_at_once import optimizers_at_once
from multiscale_gcn.nn.side_by_side import LearnedStage
from multiscale_gcn.ops import selection
from multiscale_gcn.ops.kernels import side_streams
from multiscale_gcn.ops.kernels.side_streams import (
    LANES,
    SideStreams,
    at_once,
    beside,
    is_parted,
    is_recorded,
    parted,
)
from multiscale_gcn.ops.learned_stage import Stage

C = 64
DEVICE = torch.device("cuda", 0)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedDevice]:
    yield emulate(monkeypatch)
    forget()


def network(**options: Any) -> MultiScaleGCN:
    torch.manual_seed(0)
    options = {"in_channels": C, "channels": C, "out_channels": C} | options
    graphs = [ring(9, 2), ring(5, 1), ring(7, 2)]
    made = MultiScaleGCN(graphs, [(0, 1), (0, 1, 2), (0, 1, 2)], **options)
    drawn(made)
    return made


def step(network: torch.nn.Module, x: Tensor) -> list[Tensor | None]:
    for p in network.parameters():
        p.grad = None
    torch.stack([y.square().mean() for y in network(x)]).sum().backward()
    return [p.grad for p in network.parameters()]


def same(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one, other)


@pytest.mark.parametrize("out_channels", [C, [C, 0, 0]])
def test_a_step_is_the_same_on_many_streams(
    out_channels: Any, device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = network(out_channels=out_channels).train()
    second = copy.deepcopy(first)
    for _ in range(2):
        x = torch.randn(3, 9, C)
        with device.here():
            expected = step(first, x)
            with watched_recording(monkeypatch) as watch:
                found = step(second, x)
        same(found, expected)
        same(first.state_dict().values(), second.state_dict().values())
        assert watch.used >= {0, 1, 2, 4, 5, 6}


def test_steps_of_training_in_a_row_are_the_same_in_one_recording(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = network().train()
    step(first, torch.ones(3, 9, C))
    second, steps = copy.deepcopy(first), [torch.randn(3, 9, C) for _ in range(3)]
    optimizers = []
    for each in (first, second):
        for p in each.parameters():
            p.grad = torch.ones_like(p)
        optimizers.append(torch.optim.Adam(each.parameters(), lr=torch.tensor(0.01), fused=True))
        optimizers[-1].step()  # makes its state

    def train(network: MultiScaleGCN, optimizer: torch.optim.Optimizer) -> None:
        for x in steps:
            step(network, x)
            optimizer.step()

    with device.here():
        train(first, optimizers[0])
        with watched_recording(monkeypatch) as watch, optimizers_at_once():
            train(second, optimizers[1])
    same(first.state_dict().values(), second.state_dict().values())
    assert watch.used == set(range(LANES))


@given(cases(most_scales=3, most_stages=3), st.sampled_from(["parallel", "sequential"]), st.data())
@settings(max_examples=20)
def test_any_schedule_is_the_same_on_many_streams(case: Case, order: Any, data: Any) -> None:
    blocks = [ResGConv, partial(GraphConvBlock, C), partial(SemGConv, C)]
    options: dict[str, Any] = {
        "in_channels": [C * width for width in case.inputs],
        "out_channels": [C * width for width in case.outputs],
        "block": [data.draw(st.sampled_from(blocks)) for _ in case.inputs],
    }
    try:
        first = MultiScaleGCN(
            [ring(n, 2) for n in (9, 5, 7)[: len(case.inputs)]],
            case.schedule,
            channels=C,
            fusion_order=order,
            **options,
        )
    except ValueError:  # a schedule that the network refuses
        assume(False)
    second = copy.deepcopy(drawn(first).train())
    features = [torch.randn(3, n, C) for n, k in zip((9, 5, 7), case.inputs, strict=False) if k]

    def gradients(network: Any) -> list[Tensor | None]:
        torch.stack([y.square().mean() for y in network(*features)]).sum().backward()
        return [p.grad for p in network.parameters()]

    with pytest.MonkeyPatch.context() as patch:
        device = emulate(patch)
        try:
            with device.here():
                expected = gradients(first)
                with watched_recording(patch):
                    found = gradients(second)
                same(found, expected)
                same(first.state_dict().values(), second.state_dict().values())
                first.eval()
                with torch.no_grad():
                    answers = first(*features)
                    with watched_recording(patch):
                        same(first(*features), answers)
        finally:
            forget()


def test_a_step_that_reads_one_answer(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = network().train()
    second, x = copy.deepcopy(first), torch.randn(3, 9, C)

    def gradients(network: torch.nn.Module) -> list[Tensor | None]:
        network(x)[0].square().mean().backward()
        return [p.grad for p in network.parameters()]

    with device.here():
        expected = gradients(first)
        with watched_recording(monkeypatch):
            found = gradients(second)
    same(found, expected)
    assert None in found


def test_a_step_of_what_is_partly_frozen(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = network().train()
    for p in [*first.inputs.parameters(), *list(first.parameters())[::3]]:
        p.requires_grad_(False)
    second, x = copy.deepcopy(first), torch.randn(3, 9, C)
    with device.here():
        expected = step(first, x)
        with watched_recording(monkeypatch) as watch:
            found = step(second, x)
    same(found, expected)
    assert len(watch.used) > 3


@pytest.mark.parametrize("layer", [lambda: ResGConv(C, ring(9, 2)), lambda: NonLocal(C)])
def test_a_layer_by_itself_makes_gradients_of_weights_beside(
    layer: Any, device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = drawn(layer()).train()
    second, x = copy.deepcopy(first), torch.randn(3, 9, C)

    def gradients(layer: Any) -> Any:
        return torch.autograd.grad(layer(x).square().sum(), [*layer.parameters()])

    with device.here():
        expected = gradients(first)
        with watched_recording(monkeypatch) as watch:
            found = gradients(second)
    same(found, expected)
    assert watch.used == {0, 4}


def hooked(network: Any) -> None:
    for blocks in network.blocks:
        blocks["1"].register_forward_hook(lambda module, given, made: made + 1)


def tied(network: Any) -> None:
    for blocks in network.blocks:
        blocks["0"].second = blocks["0"].first


def partly_in_evaluation(network: Any) -> None:
    for blocks in network.blocks:
        blocks["0"].eval()


def one_statistic_for_two(network: Any) -> None:
    for blocks in network.blocks:
        one, other = (blocks[k].first.norm for k in "01")
        other.num_batches_tracked = one.num_batches_tracked


@pytest.mark.parametrize(
    ("change", "learned"),
    [
        (hooked, [3]),  # the answers alone
        (tied, [3]),
        (one_statistic_for_two, [3]),
        (partly_in_evaluation, []),  # a layer that answers shares the pattern of a block
    ],
)
def test_what_no_stage_is_takes_turns(
    change: Any, learned: list[int], device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = network().train(), network().train()
    for made in (first, second):
        change(made)
    x = torch.randn(3, 9, C)
    applied: list[int] = []

    def noted(stage: Stage, count: int, *given: Tensor) -> Any:
        applied.append(count)
        return really(stage, count, *given)

    really = LearnedStage.apply
    monkeypatch.setattr(LearnedStage, "apply", noted)
    with device.here():
        expected = step(first, x)
        with watched_recording(monkeypatch):
            found = step(second, x)
    same(found, expected)
    same(first.state_dict().values(), second.state_dict().values())
    assert applied == learned


def test_evaluation_is_the_same_on_many_streams(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, x = network().eval(), torch.randn(3, 9, C)
    with device.here(), torch.no_grad():
        expected = made(x)
        for _ in range(2):
            with watched_recording(monkeypatch) as watch:
                found = made(x)
            same(found, expected)
            assert watch.used == {0, 1, 2}


@pytest.mark.parametrize("change", [hooked, lambda network: network.train()])
def test_evaluation_takes_turns(
    change: Any, device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, x = network(out_channels=[C, 0, 0]).eval(), torch.randn(3, 9, C)
    change(made)
    with device.here(), torch.no_grad(), watched_recording(monkeypatch) as watch:
        made(x)
    assert watch.used == {0}


def never(*_: Any) -> None:
    pass


def without_keeping(self: Any, lane: int, function: Callable[[], Any], *read: Any) -> Any:
    before, self.lane = self.lane, lane
    with torch.cuda.stream(self._lanes[lane]):
        result = function()
    self.lane = before
    return result


@pytest.mark.parametrize(
    ("name", "fault"),
    [("begin", never), ("meet", never), ("run", without_keeping)],
)
def test_the_watch_sees_what_is_wrong(
    name: str, fault: Any, device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning, x = network().train(), torch.randn(3, 9, C)
    monkeypatch.setattr(side_streams._Parted, name, fault)
    with device.here(), pytest.raises(Race), watched_recording(monkeypatch):
        step(learning, x)


def test_the_watch_sees_what_is_read_too_early(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.ones(3)
    with device.here(), watched_recording(monkeypatch), parted(DEVICE):
        made = beside(lambda: x + 1)
        with pytest.raises(Race, match="reads"):
            made + 1
    with device.here(), watched_recording(monkeypatch), parted(DEVICE):
        beside(lambda: x + 1)
        with pytest.raises(Race, match="writes"):
            x.add_(1)


def test_without_a_recording_there_is_one_stream() -> None:
    x, done = torch.zeros(3), []
    assert not is_recorded(x)
    with parted(x.device):
        assert not is_parted()
        assert at_once([lambda: done.append(1), lambda: done.append(2)]) == [None, None]
        assert beside(lambda: 3) == 3
    assert done == [1, 2]


def test_more_functions_than_streams_share_them(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.ones(3)

    def turn(k: int) -> tuple[int, Tensor]:
        return watch.current, x + k

    with device.here(), watched_recording(monkeypatch) as watch:
        with parted(DEVICE):
            made = at_once([partial(turn, k) for k in range(LANES + 3)])
            assert [stream for stream, _ in made] == [*range(LANES), 0, 1, 2]
            # They have met, within too, and those beside may be behind.
            sums = [y + 1 for _, y in made]
            assert beside(lambda: watch.current) == LANES // 2
            assert at_once([lambda: beside(lambda: watch.current)] * 2) == [4, 5]
        assert not is_parted()
    assert [float(y[0]) for y in sums] == [2 + k for k in range(LANES + 3)]


def test_streams_part_once(device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    def inside() -> list[int]:
        with parted(DEVICE):
            return at_once([lambda: beside(lambda: watch.current)] * 2)

    def at_once_again() -> list[int]:
        return at_once([lambda: watch.current] * 2)

    with device.here(), watched_recording(monkeypatch) as watch, parted(DEVICE):
        assert at_once([inside] * 2) == [[0, 0], [1, 1]]
        assert at_once([at_once_again] * 2)[1] == [1, 1]


def test_on_another_stream_nothing_parts(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.zeros(3)
    with device.here(), watched_recording(monkeypatch) as watch:
        assert is_recorded(x)
        with watch.on(watch.streams[1]), parted(DEVICE):
            assert not is_recorded(x)
            assert beside(lambda: watch.current) == 1
    with device.here():
        assert not is_recorded(x)


def test_a_failure_leaves_nothing_behind(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.zeros(3)

    def fails() -> None:
        x.add_(1)
        raise ZeroDivisionError

    with device.here(), watched_recording(monkeypatch) as watch:
        with pytest.raises(ZeroDivisionError), parted(DEVICE):
            at_once([lambda: None, fails])
        assert (is_parted(), watch.current) == (False, 0)
        assert float(x[0] + 1) == 2  # the main stream has met the other


def test_without_cupy_there_is_one_stream(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "_cupy_hindrance", lambda: "there is none")
    with device.here(), watched_recording(monkeypatch):
        assert not is_recorded(torch.zeros(3))


def test_recordings_have_streams_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def new(device: torch.device) -> list[str]:
        made.append(f"streams {len(made)}")
        return [made[-1]]

    monkeypatch.setattr(side_streams, "_new_streams", new)
    monkeypatch.setattr(side_streams, "_spare", defaultdict(list))
    monkeypatch.setattr(selection, "_cupy_hindrance", lambda: None)
    main: Any = SimpleNamespace(device=DEVICE)
    one, other = SideStreams(main), SideStreams(main)
    assert [one.lanes[1:], other.lanes[1:]] == [["streams 0"], ["streams 1"]]
    del one
    assert SideStreams(main).lanes[1:] == ["streams 0"]
    assert SideStreams(main).lanes[1:] == ["streams 0"]
    assert len(made) == 2


OPTIMIZERS: dict[str, Any] = {
    "Adam": lambda given: torch.optim.Adam(given, lr=torch.tensor(0.1), fused=True),
    "AdamW": lambda given: torch.optim.AdamW(given, fused=True, amsgrad=True),
    "SGD": lambda given: torch.optim.SGD(given, lr=0.1, fused=True),
    "SGD with momentum": lambda given: torch.optim.SGD(given, lr=0.1, momentum=0.9, fused=True),
    "Adagrad": lambda given: torch.optim.Adagrad(given, fused=True),
    "Adam of lists": lambda given: torch.optim.Adam(given, foreach=True),
}


@pytest.mark.parametrize("count", [1, 5, 19])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_update_the_same_on_many_streams(
    name: str, count: int, device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [torch.randn(k + 1, 3).requires_grad_() for k in range(count)]
    second = copy.deepcopy(first)
    one, other = OPTIMIZERS[name](first), OPTIMIZERS[name](second)
    for _ in range(3):
        for p, q in zip(first, second, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        one.step()
        if not other.state and "Adam" in name:
            other.step()  # makes its state
            continue
        here = device.here() if "lists" not in name else nullcontext()
        with watched_recording(monkeypatch) as watch, optimizers_at_once(), here:
            other.step()
        same(second, first)
        shared = 1 if "lists" in name else min(count, LANES)
        assert watch.used == set(range(shared))
    assert torch._fused_adam_ is BEFORE


BEFORE = torch._fused_adam_
