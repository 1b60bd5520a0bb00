"""Recorded networks and steps against the same ones run as they are."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from multiscale_gcn import coarsen
from multiscale_gcn.nn import MultiScaleGCN, Recorded, RecordedStep
from multiscale_gcn.nn.recorded import WARM_UP


class Pair(nn.Module):
    """Answers with containers of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> dict[str, object]:
        y = self.map(x)
        return {"one": y, "more": (y + 1, [y * 2]), "text": "as it is"}


class Waits(nn.Module):
    """Reads a value back from the device, which no recording can hold."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.sum()) > 0 else x


def two_scales(grid: int = 4) -> MultiScaleGCN:
    import networkx as nx

    hierarchy = coarsen(nx.grid_2d_graph(grid, grid), sizes=[6])
    graphs = [hierarchy[0].graph, hierarchy[-1].graph]
    return MultiScaleGCN(graphs, "parallel", in_channels=2, channels=8, out_channels=3)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda network: network.eval(), "the inputs are not on a CUDA device"),
        (lambda network: network.train(), "the inputs are not on a CUDA device"),
    ],
)
def test_on_a_processor_the_network_runs_as_it_is(prepare, reason) -> None:
    network = Pair()
    recorded = prepare(Recorded(network))
    x = torch.rand(5, 3)
    with torch.no_grad():
        assert torch.equal(recorded(x)["one"], network(x)["one"])
    assert recorded.reason == reason
    recorded(x)["one"].sum().backward()
    assert network.map.weight.grad is not None


def test_what_is_no_tensor_is_told() -> None:
    recorded = Recorded(nn.Identity())
    assert recorded(3) == 3
    assert recorded.reason == "an input is no tensor but 3"


def test_copies_and_pickles_and_states_are_those_of_the_module() -> None:
    recorded = Recorded(Pair(), most=3).eval()
    x = torch.rand(2, 3)
    for again in (copy.deepcopy(recorded), pickle.loads(pickle.dumps(recorded))):
        assert torch.equal(again(x)["one"], recorded(x)["one"])
        assert again.most == 3
    assert set(recorded.state_dict()) == {"module.map.weight", "module.map.bias"}


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="module"):
        Recorded(lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="most"):
        Recorded(Pair(), most=0)
    with pytest.raises(TypeError, match="step = 3 must be a function"):
        RecordedStep(3)  # type: ignore[arg-type]


def test_a_step_on_a_processor_is_the_step() -> None:
    seen: list[int] = []

    def step(x: Tensor) -> Tensor:
        seen.append(len(x))
        return x.sum()

    recorded = RecordedStep(step)
    for size in [4] * (WARM_UP + 3) + [2]:
        assert recorded(torch.ones(size)) == size
    assert seen == [4] * (WARM_UP + 3) + [2]


@pytest.mark.gpu
class TestOnDevice:
    @pytest.fixture(autouse=True)
    def device(self) -> None:
        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")

    def test_answers_are_the_same_to_the_bit(self) -> None:
        network = two_scales().cuda().eval()
        recorded = Recorded(network, most=2).eval()
        with torch.no_grad():
            for size in (1, 5, 1, 64, 1, 5, 64):
                x = torch.rand(size, 16, 2, device="cuda")
                for one, other in zip(recorded(x), network(x), strict=True):
                    assert torch.equal(one, other)
                assert recorded.reason is None
        assert len(recorded._recordings) == 2

    def test_an_answer_is_not_overwritten_by_the_next(self) -> None:
        recorded = Recorded(Pair().cuda()).eval()
        x, y = torch.rand(2, 5, 3, device="cuda")
        with torch.no_grad():
            first = recorded(x)
            kept = first["more"][1][0].clone()
            recorded(y)
        assert torch.equal(first["more"][1][0], kept)
        assert first["text"] == "as it is"

    def test_new_weights_are_seen(self) -> None:
        network = Pair().cuda()
        recorded = Recorded(network).eval()
        x = torch.rand(5, 3, device="cuda")
        with torch.no_grad():
            recorded(x)
            network.map.weight.mul_(3)
            assert torch.equal(recorded(x)["one"], network(x)["one"])
            recorded.load_state_dict(Recorded(Pair()).state_dict(), assign=True)
            recorded.cuda()
            assert torch.equal(recorded(x)["one"], network(x)["one"])
            recorded.half()
            assert torch.equal(recorded(x.half())["one"], network(x.half())["one"])
            assert recorded.reason is None

    def test_where_it_cannot_record_it_says_so_and_runs(self) -> None:
        waits = Recorded(Waits()).eval()
        x = torch.ones(3, device="cuda")
        with torch.no_grad():
            for _ in range(3):
                assert torch.equal(waits(x), 2 * x)
                assert waits.reason is not None
                assert waits.reason.startswith("it cannot be recorded")
        recorded = Recorded(Pair().cuda())
        recorded.train()(x)
        assert recorded.reason == "it is in training; call eval() first"
        recorded.eval()(x)
        assert recorded.reason == "gradients are asked for; call it under torch.no_grad()"
        with torch.no_grad():
            recorded(x)
        assert recorded.reason is None

    def test_precision_and_modes_have_recordings_of_their_own(self) -> None:
        network = nn.Linear(256, 256).cuda().eval()
        recorded = Recorded(network).eval()
        x = torch.rand(64, 256, device="cuda")
        with torch.no_grad():
            full = recorded(x)
            with torch.autocast("cuda", torch.bfloat16):
                assert recorded(x).dtype == torch.bfloat16
            assert torch.equal(recorded(x), full)

    def test_a_recorded_step_trains_as_the_step_does(self) -> None:
        results = []
        for record in (False, True):
            torch.manual_seed(0)
            network = two_scales().cuda()
            optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, capturable=True)

            def step(x: Tensor, network=network, optimizer=optimizer) -> Tensor:
                loss = torch.stack([y.square().mean() for y in network(x)]).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                return loss.detach()

            run = RecordedStep(step) if record else step
            generator = torch.Generator("cuda").manual_seed(1)
            sizes = [8] * (WARM_UP + 4) + [3, 8]
            results.append(
                [
                    float(run(torch.rand(size, 16, 2, device="cuda", generator=generator)))
                    for size in sizes
                ]
            )
        assert results[1] == pytest.approx(results[0], rel=1e-4)
