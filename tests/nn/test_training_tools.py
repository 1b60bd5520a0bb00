"""Layers under the tools that people train with: PyTorch's compiler, and Lightning."""

from __future__ import annotations

import copy
from functools import cache
from shutil import which
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from multiscale_gcn.nn import Folded, GraphConvBlock, MultiScaleGCN


class Example(nn.Module):
    """A network of two scales, of which one answers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = MultiScaleGCN(
            [nx.grid_2d_graph(3, 3), nx.path_graph(4)],
            "parallel",
            in_channels=2,
            channels=8,
            out_channels=[3, 0],
        )

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.network(x)[0]
        return answer


def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    loss: Tensor = (model(x) - y).square().mean()
    return loss


def data(device: str = "cpu") -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(24, 9, c, generator=generator) for c in (2, 3))
    return x.to(device), y.to(device)


def trained(model: nn.Module, run: Any, device: str = "cpu") -> list[float]:
    """Losses of three epochs of three steps, and of what it answers in evaluation at the end."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        for x, y in zip(*(t.split(8) for t in data(device)), strict=True):
            optimizer.zero_grad()
            loss = loss_of(run, x, y)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    model.eval()
    with torch.no_grad():
        losses.append(float(loss_of(run, *data(device))))
    return losses


def check_compiled(model: nn.Module, x: Tensor) -> None:
    """The same losses, step by step."""
    losses: list[list[float]] = []
    torch.compiler.reset()
    compiled: Any = torch.compile(model, mode="reduce-overhead", dynamic=False)
    for run in (copy.deepcopy(model), compiled):
        optimizer = torch.optim.SGD(run.parameters(), lr=0.1)
        losses.append([])
        for _ in range(5):
            optimizer.zero_grad()
            loss = run(x).square().mean()
            loss.backward()
            optimizer.step()
            losses[-1].append(float(loss.detach()))
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert losses[0][-1] < losses[0][0]


@pytest.mark.slow
@pytest.mark.skipif(which("g++") is None, reason="PyTorch's compiler needs one of C++")
@pytest.mark.filterwarnings("default")
def test_reduce_overhead_trains_as_without() -> None:
    torch.manual_seed(0)
    check_compiled(GraphConvBlock(2, 4, nx.path_graph(3)), torch.randn(8, 3, 2))


@pytest.mark.gpu
@pytest.mark.filterwarnings("default")
def test_reduce_overhead_trains_as_without_in_recorded_graphs() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    check_compiled(Example().cuda(), data("cuda")[0])


@cache
def lightning() -> Any:
    return pytest.importorskip("pytorch_lightning")


def as_lightning(model: nn.Module) -> Any:
    class Module(lightning().LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.seen: list[float] = []

        def training_step(self, batch: list[Tensor], number: int) -> Tensor:
            loss = loss_of(self.model, *batch)
            self.seen.append(float(loss.detach()))
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-2)

        def predict_step(self, batch: list[Tensor], number: int) -> Tensor:
            answer: Tensor = Folded(self.model).eval()(batch[0])
            return answer

    return Module()


def trainer(accelerator: str, folder: Any, **options: Any) -> Any:
    return lightning().Trainer(
        max_epochs=3,
        accelerator=accelerator,
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )


# Of Lightning: on newer versions of PyTorch, and with data sets as small as this one.
quiet = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec"),
    pytest.mark.filterwarnings("ignore:GPU available but not used"),
]


def lightning_test(function: Any) -> Any:
    for mark in quiet:
        function = mark(function)
    return function


def check_lightning(accelerator: str, folder: Any) -> None:
    device = "cuda" if accelerator == "gpu" else "cpu"
    loader = DataLoader(TensorDataset(*data()), batch_size=8)
    plain = Example().to(device)
    expected = trained(plain, plain, device)
    module = as_lightning(Example())
    run = trainer(accelerator, folder)
    run.fit(module, loader)
    assert module.seen == pytest.approx(expected[:-1], rel=1e-5)
    again = as_lightning(Example())
    answers = torch.cat(trainer(accelerator, folder).predict(again, loader))
    kept = run.checkpoint_callback.best_model_path
    state = torch.load(kept, weights_only=True)["state_dict"]
    again.load_state_dict(state)
    loaded = torch.cat(trainer(accelerator, folder).predict(again, loader))
    with torch.no_grad():
        torch.testing.assert_close(loaded, plain.cpu()(data()[0]), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(answers, loaded, atol=1e-2)


@lightning_test
def test_lightning_trains_as_a_plain_loop_does(tmp_path: Any) -> None:
    check_lightning("cpu", tmp_path)


@pytest.mark.gpu
@lightning_test
def test_lightning_on_a_device(tmp_path: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    check_lightning("gpu", tmp_path)
