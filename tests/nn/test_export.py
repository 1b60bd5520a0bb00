"""Exported networks hold operators of PyTorch alone, and run elsewhere."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from layer_graphs import ring
from torch import nn

from multiscale_gcn.nn import Folded, MultiScaleGCN

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


class Poses(nn.Module):
    """A network of two scales, whose results are one tensor."""

    def __init__(self, nodes: tuple[int, int]) -> None:
        super().__init__()
        self.scales = MultiScaleGCN(
            [ring(n, 2) for n in nodes],
            [(0,), (0, 1)],
            in_channels=2,
            channels=32,
            out_channels=3,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # [B, N, 2] -> [B, N + M, 3]
        return torch.cat(self.scales(x), dim=1)


def network(nodes: tuple[int, int], device: str) -> nn.Module:
    torch.manual_seed(0)
    result = Poses(nodes).to(device)
    for parameter in result.parameters():  # blocks start as the identity, which would hide much
        nn.init.normal_(parameter, std=0.2)
    return result.eval()


DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("nodes", [(17, 48), (600, 300)])
def test_an_exported_program_has_a_dynamic_batch(nodes: tuple[int, int], device: str) -> None:
    model = network(nodes, device)
    x = torch.randn(4, nodes[0], 2, device=device)
    batch = torch.export.Dim("batch", min=2, max=4096)
    program = torch.export.export(model, (x,), dynamic_shapes={"x": {0: batch}})
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("multiscale_gcn" in target for target in targets)
    other = torch.randn(9, nodes[0], 2, device=device)
    torch.testing.assert_close(program.module()(other), model(other), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("nodes", "fold"), [((17, 48), False), ((17, 48), True), ((300, 40), False)]
)
def test_onnx_runs_elsewhere(
    nodes: tuple[int, int], fold: bool, device: str, tmp_path: Path
) -> None:
    model = network(nodes, device)
    x = torch.randn(4, nodes[0], 2, device=device)
    batch = torch.export.Dim("batch", min=2, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        given = Folded(model).eval().for_export() if fold else model
        program = torch.onnx.export(
            given, (x,), dynamo=True, dynamic_shapes={"x": {0: batch}}, verbose=False
        )
    assert program is not None
    program.save(tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "network.onnx", providers=["CPUExecutionProvider"]
    )
    for size in (4, 7):
        x = torch.randn(size, nodes[0], 2, device=device)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.cpu().numpy()})
        np.testing.assert_allclose(found, model(x).detach().cpu().numpy(), rtol=1e-3, atol=1e-4)
