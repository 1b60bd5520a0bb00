"""Learning to step: from the temperature at one time to that at the next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from tqdm.auto import tqdm

from examples.mesh_flow.simulations import Simulation
from multiscale_gcn.checks.arguments import real_number, whole_number

NOISE = 0.01
"""Standard deviation of what is added to temperatures in training, so that a network learns to mend
its own errors: Pfaff et al. 2021, section 3.2. Temperatures lie between 0 and 1."""


class Stepper(nn.Module):
    """A network's answer as the next temperature: what it adds, where nothing is given.

    Parameters
    ----------
    network : Module
        From features (B, n, C) to (B, n, 1).
    scale : float
        Standard deviation of what is added in a step.
    """

    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(
        self,
        temperature: Tensor,  # [B, n]
        surroundings: Tensor,  # [B, n, 9]
        given: Tensor,  # [B, n] bool
    ) -> Tensor:  # [B, n]
        x = torch.cat([temperature.unsqueeze(-1), surroundings], dim=-1)
        added = self.scale * self.network(x).squeeze(-1)
        return torch.where(given, temperature, temperature + added)


@dataclass(frozen=True)
class Training:
    """How long and how fast a network learns."""

    steps: int = 1000
    """Updates, each from one pair of states."""
    learning_rate: float = 3e-3
    """It rises to this over a tenth of the updates, and falls to nothing by a half cosine."""
    seed: int = 0
    """Of weights, order and noise."""

    def __post_init__(self) -> None:
        whole_number(self.steps, "steps", least=1)
        real_number(self.learning_rate, "learning_rate", above=0)


def scale_of_steps(simulations: Sequence[Simulation]) -> float:
    """Standard deviation of what a step adds."""
    return float(torch.cat([one.states.diff(dim=0).flatten() for one in simulations]).std())


def train(
    stepper: Stepper, simulations: Sequence[Simulation], options: Training, name: str
) -> tuple[list[float], float]:
    """Train in place.

    Returns
    -------
    list of float
        Loss of every update, in units of what a step adds.
    float
        Seconds.
    """
    torch.manual_seed(options.seed)
    optimizer = torch.optim.Adam(stepper.parameters(), options.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=options.steps + 1, pct_start=0.1
    )
    pairs = [(one, k) for one in simulations for k in range(len(one.states) - 1)]
    order = torch.cat(
        [torch.randperm(len(pairs)) for _ in range(-(-options.steps // len(pairs)))]
    ).tolist()
    losses = []
    began = time.perf_counter()
    for place in tqdm(order[: options.steps], desc=name, disable=None):
        simulation, k = pairs[place]
        before, after, given = simulation.states[k], simulation.states[k + 1], simulation.given
        noisy = torch.where(given, before, before + NOISE * torch.randn_like(before))
        found = stepper(noisy[None], simulation.surroundings[None], given[None])[0]
        loss = mse_loss(found[~given], after[~given]) / stepper.scale**2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses, time.perf_counter() - began


@torch.no_grad()
def rolled_out(stepper: nn.Module, simulation: Simulation) -> Tensor:
    """As many states as the simulation has, each from the one before, from its first on.

    Returns
    -------
    Tensor, shape (steps + 1, n)
    """
    states = [simulation.states[0]]
    for _ in range(len(simulation.states) - 1):
        args = states[-1], simulation.surroundings, simulation.given
        states.append(stepper(*(tensor[None] for tensor in args))[0])
    return torch.stack(states)


@torch.no_grad()
def one_step_error(stepper: nn.Module, simulations: Sequence[Simulation]) -> float:
    """Relative L2 error of the states after one step from true ones, all of them together."""
    error = total = 0.0
    for one in simulations:
        for k in range(len(one.states) - 1):
            found = stepper(one.states[k][None], one.surroundings[None], one.given[None])[0]
            error += float((found - one.states[k + 1]).square().sum())
            total += float(one.states[k + 1].square().sum())
    return (error / total) ** 0.5
