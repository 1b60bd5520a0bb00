"""A step that is recorded with branches, on a CUDA device, against one without."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from cuda_checks import needs_kernels
from layer_graphs import ring
from torch import Tensor

from multiscale_gcn.nn import MultiScaleGCN, Recorded, RecordedStep
from multiscale_gcn.ops.kernels.asides import stream_beside

pytestmark = needs_kernels


def test_a_recording_of_branches_trains_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"in_channels": 2, "channels": 64, "out_channels": 3}
    graphs = [ring(17, 2), ring(48, 3), ring(96, 3)]
    first = MultiScaleGCN(graphs, [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)], **options).cuda()
    states, made = [], set()
    in_branches = "multiscale_gcn.nn.branches"

    def counted(device: torch.device, number: int) -> torch.cuda.Stream:
        made.add(number)
        return stream_beside(device, number)

    monkeypatch.setattr(f"{in_branches}.stream_beside", counted)
    for apart in (True, False):
        network = copy.deepcopy(first)
        optimizer = torch.optim.Adam(network.parameters(), capturable=True, fused=True)

        def step(x: Tensor, network=network, optimizer=optimizer) -> Tensor:
            loss = torch.stack([y.square().mean() for y in network(x)]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        if not apart:
            for module in (in_branches, "multiscale_gcn.nn.learned_block"):
                monkeypatch.setattr(f"{module}.is_recorded", lambda x: False)
        recorded, generator = RecordedStep(step), torch.Generator("cuda").manual_seed(1)
        for _ in range(20):
            recorded(torch.randn(64, 17, 2, device="cuda", generator=generator))
        states.append(network.state_dict())
    assert made == {0, 1}
    for one, other in zip(*(state.values() for state in states), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("batch", [1, 64])
def test_a_recording_of_branches_answers_to_the_bit(batch: int) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"in_channels": 2, "channels": 64, "out_channels": 3}
    graphs = [ring(17, 2), ring(48, 3), ring(96, 3)]
    network = MultiScaleGCN(graphs, [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)], **options).cuda().eval()
    recorded = Recorded(network).eval()
    with torch.inference_mode():
        for _ in range(20):
            x = torch.randn(batch, 17, 2, device="cuda")
            for one, other in zip(recorded(x), network(x), strict=True):
                assert torch.equal(one, other)
    assert recorded.reason is None
