"""Runs that share a device come out as they would alone."""

from dataclasses import replace

import pytest
import torch

from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.randomness import Randomness
from examples.hgn_pose.training.side_by_side import fit_side_by_side
from examples.hgn_pose.training.trainer import Trainer

RUNS = [
    (NetworkOptions("semgcn", 4, dropout=0.3), TrainingOptions(epochs=2, batch_size=16, seed=0)),
    (NetworkOptions("semgcn", 4, dropout=0.3), TrainingOptions(epochs=3, batch_size=16, seed=1)),
    (NetworkOptions("mlp", 2), TrainingOptions(epochs=1, batch_size=7, seed=0)),
]


def trainers(device="cpu", runs=RUNS):
    samples = gather(load_builtin().select(slice(0, 20))).to(device)
    cameras = ring_of_cameras().to(device)
    return [
        Trainer(build_network(network, None, training.seed).to(device), samples, cameras, training)
        for network, training in runs
    ]


def test_each_run_is_the_same_as_alone():
    together, alone = trainers(), trainers()
    before = torch.get_rng_state()
    fit_side_by_side(together)
    assert torch.equal(torch.get_rng_state(), before)
    for one in alone:
        one.fit()
    for mine, other in zip(together, alone, strict=True):
        assert mine.records == other.records
        for name, value in other.tensors().items():
            assert torch.equal(mine.tensors()[name], value), name


def test_they_are_watched_and_saved_after_every_epoch():
    saved = []
    both = trainers()[:2]
    fit_side_by_side(
        both, watch=lambda model: 1.5, after_epoch=lambda t: saved.append(len(t.records))
    )
    assert sorted(saved) == [1, 1, 2, 2, 3]
    assert {record.error for one in both for record in one.records} == {1.5}


@pytest.mark.gpu
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recorded_steps_on_streams_of_their_own(dropout):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    runs = [(replace(network, dropout=dropout), training) for network, training in RUNS]
    together, alone = trainers("cuda", runs), trainers("cuda", runs)
    fit_side_by_side(together)
    for one in alone:
        one.fit()
    for mine, other in zip(together, alone, strict=True):
        mine_losses, alone_losses = (
            torch.tensor([record.loss for record in one.records]) for one in (mine, other)
        )
        assert torch.allclose(mine_losses, alone_losses, rtol=1e-3)


def test_nobody_else_is_disturbed():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    mine = Randomness(torch.device("cpu"), 0)
    with mine:
        drawn = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), drawn)


class Counted:
    """A generator of a CUDA device, as far as it is asked here: who holds which state."""

    def __init__(self, state):
        self.state = state

    def clone_state(self):
        return Counted([*self.state])

    def manual_seed(self, seed):
        self.state[:] = [seed, 0]

    def graphsafe_get_state(self):
        return Counted(self.state)

    def graphsafe_set_state(self, other):
        self.state = other.state

    def draw(self):
        self.state[1] += 1
        return tuple(self.state)


def test_each_run_has_a_state_of_its_own_on_a_device(monkeypatch):
    """A recording goes on counting in the state that stood there when it was recorded."""
    default = Counted([7, 3])
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "default_generators", (default,))
    runs = [Randomness(torch.device("cuda", 0), seed) for seed in (5, 6)]
    held = []
    for run in (*runs, *runs):
        with run:
            held.append(default.state)
            default.draw()
    assert held[0] is held[2]
    assert held[1] is held[3]
    assert (held[0], held[1]) == ([5, 2], [6, 2])
    assert default.draw() == (7, 4)
    runs[0].begin_at(9)
    with runs[0]:
        assert default.state is held[0]
        assert default.draw() == (9, 1)
