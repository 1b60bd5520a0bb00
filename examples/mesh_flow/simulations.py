"""Simulations to learn from, and what a network sees of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from examples.mesh_flow.channel import CYLINDER
from examples.mesh_flow.physics import Conditions, Physics, blobs


@dataclass(frozen=True, eq=False)
class Simulation:
    """One run of the solver.

    Attributes
    ----------
    states : float32 Tensor, shape (steps + 1, n)
        Temperatures.
    surroundings : float32 Tensor, shape (n, 9)
        What does not change: see :func:`surroundings`.
    given : bool Tensor, shape (n,)
        Where the temperature is given.
    """

    states: Tensor
    surroundings: Tensor
    given: Tensor


IN_CHANNELS = 10
"""Temperature and surroundings."""


def surroundings(physics: Physics, conditions: Conditions) -> np.ndarray:
    """Of each node what it is (inner, inlet, outlet, wall, cylinder), the velocity of the fluid,
    its speed, and the conductivity, all of the order of 1; shape (n, 9).
    """
    kind = np.minimum(physics.mesh.kind, CYLINDER)
    velocity = physics.node_velocity(conditions)
    return np.concatenate(
        [
            np.eye(CYLINDER + 1)[kind],
            velocity,
            np.linalg.norm(velocity, axis=1, keepdims=True),
            np.full((len(kind), 1), 100 * conditions.conductivity),
        ],
        axis=1,
    )


def simulate(physics: Physics, count: int, steps: int, seed: int) -> list[Simulation]:
    """``count`` simulations of ``steps`` steps, each of conditions and a start of its own.

    Parameters
    ----------
    physics : Physics
    count, steps : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    result = []
    for _ in tqdm(range(count), desc="simulations", disable=None):
        conditions = Conditions.drawn(rng)
        states = physics.simulate(conditions, blobs(physics.mesh, rng), steps)
        given = np.zeros(states.shape[1], dtype=np.bool_)
        given[physics.boundary(conditions)[0]] = True
        around = surroundings(physics, conditions)
        result.append(
            Simulation(
                torch.as_tensor(states, dtype=torch.float32),
                torch.as_tensor(around, dtype=torch.float32),
                torch.as_tensor(given),
            )
        )
    return result
