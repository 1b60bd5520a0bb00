"""Two processes that train one network against one that does it alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from processes_together import run_together
from test_checkpoint import PASSPORT
from torch import nn

from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.measuring.evaluation import watch
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.distributed import (
    SharedStep,
    SynchronisedNorm,
    check_shares,
    spread,
    synchronise_norms,
)
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.processes import ALONE, Team
from examples.hgn_pose.training.trainer import Trainer

CPU = torch.device("cpu")
NETWORK = NetworkOptions("semgcn", 4)
OPTIONS = TrainingOptions(epochs=4, batch_size=15, learning_rate=1e-3)
"""80 samples are five batches of 15, of which processes take 8 and 7, and one of 5."""
STEPS = 20


def trainer(team, options=OPTIONS, network=NETWORK):
    samples = gather(load_builtin().select(slice(0, 20)))
    model = build_network(network, None, options.seed)
    if options.batch_norm == "synchronised":
        model = synchronise_norms(model, team, CPU)
    return Trainer(model, samples, ring_of_cameras(), options, team=team)


def step_losses(run, steps=STEPS):
    """The loss of each step over the whole batch."""
    losses, before = [], run.so_far.clone()
    for number, _ in zip(range(steps), run.steps_to_go(), strict=False):
        here = run.so_far.clone()
        first, last = number % run.steps == 0, number % run.steps == run.steps - 1
        step = here if first else here - before
        if last:  # what the epoch came to has been added up already
            step, before = here - everybodys(run, before), here
        else:
            step, before = everybodys(run, step), here
        losses.append(float(step[0]))
    return losses


def everybodys(run, values):
    total = values.clone()
    run.team.add_up(total)
    return total


def curve(run):
    run.fit()
    return [record.loss for record in run.records]


def go_on(state, team, epochs):
    """Train until so many epochs are behind, from a state if there is one, and save it."""
    run = trainer(team, replace(OPTIONS, epochs=epochs))
    if state.exists():
        resume_training(state, run, PASSPORT)
    run.fit()
    if team.writes:
        save_training(state, run, PASSPORT)
    return [record.loss for record in run.records]


class TwoOutputs(nn.Module):
    """Its second output has weights of its own."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.one(x), self.other(x)


def gradients(team, *, recorded):
    """Of the mean over five rows, of which processes take three and two."""
    torch.manual_seed(0)
    model = TwoOutputs()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    shared = SharedStep(model, team, CPU, recorded=recorded, outputs=1, unused=True)
    found = []
    for _ in range(3):
        model.zero_grad()
        (part,) = shared.share((x,))
        shared.backward(shared.network(part)[0].square().mean())
        assert model.other.weight.grad is None
        assert model.one.weight.grad is not None
        found.append(model.one.weight.grad.clone())
    return found


def normalised(team):
    """Outputs, gradients and running statistics of batches whose rows have two shapes."""
    found = []
    for shape in ((7, 3), (7, 3, 2)):
        x, slopes, norm = normalisation(shape)
        x = team.share(x).requires_grad_()
        model: Any = synchronise_norms(nn.Sequential(norm), team, CPU)
        y = model(x)
        (y * team.share(slopes)).sum().backward()
        for_weights = everything(team, torch.stack([p.grad for p in model.parameters()]))
        statistics = [model[0].running_mean, model[0].running_var]
        assert int(model[0].num_batches_tracked) == 1
        model.eval()
        found.append([y.detach(), x.grad, for_weights, *statistics, model(x).detach()])
    return found


def normalisation(shape) -> Any:
    """Rows, what each weighs in the loss, and a layer."""
    generator = torch.Generator().manual_seed(2)
    x, slopes = (torch.randn(shape, generator=generator) for _ in range(2))
    norm = nn.BatchNorm1d(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
    return x + 5, slopes, norm


def everything(team, values):
    team.add_up(values)
    return values


def several(folder):
    """All that two processes do in these tests."""
    dist.init_process_group("gloo")
    team = Team(dist.get_rank(), dist.get_world_size())
    state = Path(folder) / "state.safetensors"
    found = {"losses": step_losses(trainer(team))}
    run = trainer(team)
    found["curve"] = curve(run)
    found["weights"] = run.model.state_dict()
    found["error"] = watch(spread(run.model, team), run.samples, run.cameras)
    averaging = trainer(team, replace(OPTIONS, average=0.5, weight_decay=0.1))
    found["averaged"] = curve(averaging)
    found["average"] = averaging.result.state_dict()
    local = trainer(team, replace(OPTIONS, batch_norm="local", average=0.5))
    found["local"] = curve(local)
    found["local weights"] = local.model.state_dict()
    found["local average"] = local.result.state_dict()
    dropping = replace(NETWORK, dropout=0.3)
    found["dropout"] = [step_losses(trainer(team, network=dropping), 3) for _ in range(2)]
    for recorded in (False, True):
        found[f"gradients {recorded}"] = gradients(team, recorded=recorded)
    found["normalised"] = normalised(team)
    torch.manual_seed(0)
    model = spread(nn.Sequential(nn.Linear(3, 2), Doubled()), team).eval()
    found["answers"] = list(model(torch.arange(9.0).view(3, 3)))
    go_on(state, team, 2)
    dist.barrier()
    if team.writes:
        go_on(state, ALONE, 3)
    dist.barrier()
    found["resumed"] = go_on(state, team, 4)
    dist.destroy_process_group()
    return found


class Doubled(nn.Module):
    def forward(self, x):
        return x, 2 * x


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return run_together("test_distributed", "several", tmp_path_factory.mktemp("both"))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def close(found, expected, rel=1e-5):
    assert found == pytest.approx(expected, rel=rel)


def equal(states):
    one, other = states
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_losses_of_twenty_steps_are_those_of_one_process(both):
    expected = step_losses(trainer(ALONE))
    assert len(expected) == STEPS
    for found in both:
        close(found["losses"], expected)
    assert expected[18] < expected[0]  # of whole batches


def test_statistics_of_their_own_are_another_network(both):
    expected = curve(trainer(ALONE))
    assert both[0]["local"] != pytest.approx(expected, rel=1e-4)
    assert both[0]["local"] == pytest.approx(expected, rel=0.5)


def test_all_processes_have_the_same_weights_and_statistics(both):
    for name in ("weights", "average", "local weights", "local average"):
        equal([found[name] for found in both])
    assert both[0]["curve"] == both[1]["curve"]


def test_a_mean_of_weights_is_that_of_one_process(both):
    alone = trainer(ALONE, replace(OPTIONS, average=0.5, weight_decay=0.1))
    close(both[0]["averaged"], curve(alone))
    mean = alone.result.state_dict()
    for name, value in both[0]["average"].items():
        if name.endswith("weight"):  # shifts before a normalisation go where rounding sends them
            torch.testing.assert_close(value, mean[name], rtol=1e-3, atol=1e-3)


def test_what_is_measured_is_what_one_process_measures(both):
    alone = trainer(ALONE)
    alone.fit()
    alone.model.load_state_dict(both[0]["weights"])
    expected = watch(alone.model, alone.samples, alone.cameras)
    assert both[0]["error"] == both[1]["error"] == pytest.approx(expected, rel=1e-6)


def test_each_process_drops_other_features_and_again_the_same(both):
    alone = step_losses(trainer(ALONE, network=replace(NETWORK, dropout=0.3)), 3)
    first, again = both[0]["dropout"]
    assert first == again
    assert first != pytest.approx(alone, rel=1e-3)


@pytest.mark.parametrize("recorded", [False, True])
def test_gradients_are_those_of_the_whole_batch(both, recorded):
    expected = gradients(ALONE, recorded=recorded)
    for found in both:
        torch.testing.assert_close(found[f"gradients {recorded}"], expected)


def test_normalisation_is_that_of_the_whole_batch(both):
    expected = []
    for shape in ((7, 3), (7, 3, 2)):
        x, slopes, norm = normalisation(shape)
        x.requires_grad_()
        y = norm(x)
        (y * slopes).sum().backward()
        for_weights = torch.stack([norm.weight.grad, norm.bias.grad])
        statistics = [norm.running_mean, norm.running_var]
        norm.eval()
        expected.append([y.detach(), x.grad, for_weights, *statistics, norm(x).detach()])
    for number, values in enumerate(expected):
        rows = [found["normalised"][number] for found in both]
        for place, value in enumerate(values):
            if place in (0, 1, 5):
                joined = torch.cat([row[place] for row in rows])
                torch.testing.assert_close(joined, value, rtol=1e-4, atol=1e-5)
            else:
                for row in rows:
                    torch.testing.assert_close(row[place], value, rtol=1e-4, atol=1e-5)


def test_a_batch_that_cannot_be_shared_equally_is_answered_by_all(both):
    torch.manual_seed(0)
    expected = nn.Linear(3, 2)(torch.arange(9.0).view(3, 3)).detach()
    for found in both:
        torch.testing.assert_close(found["answers"], [expected, 2 * expected])


def test_resuming_on_one_and_on_two_again_is_the_unbroken_run(both):
    for found in both:
        close(found["resumed"], found["curve"])
    close(both[0]["curve"], curve(trainer(ALONE)))


def test_batches_without_a_sample_for_each_are_refused():
    check_shares(16, 33, ALONE)
    check_shares(16, 32, Team(0, 4))
    check_shares(16, 36, Team(0, 4))
    with pytest.raises(ValueError, match=r"leaves 3 of 35 samples for the last batch, too few"):
        check_shares(16, 35, Team(0, 4))
    with pytest.raises(ValueError, match=r"batch_size = 3 leaves 3 of 6"):
        check_shares(3, 6, Team(0, 4))


def test_every_norm_of_a_network_is_synchronised():
    """PyTorch's own class on GPUs, since blocks must not pass it by with kernels of theirs."""
    for device, kind in ((CPU, SynchronisedNorm), (torch.device("cuda"), nn.SyncBatchNorm)):
        model = build_network(NETWORK, None, 0)
        before = model.state_dict()
        norms = sum(isinstance(module, nn.BatchNorm1d) for module in model.modules())
        model = synchronise_norms(model, Team(0, 2), device)
        assert sum(isinstance(module, kind) for module in model.modules()) == norms > 0
        equal([model.state_dict(), before])
