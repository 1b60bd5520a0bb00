"""The equation, and how finite elements solve it: convection and diffusion of heat.

dT/dt + u . grad T = k laplace T. The fluid enters cold at the left; each cylinder keeps its
temperature; no heat crosses the walls. The flow u is the curl of a stream function that is
harmonic, and constant on every wall and cylinder: so it has no divergence, and what goes above and
below a cylinder is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import skfem
from scipy.sparse.linalg import splu
from skfem.helpers import grad
from skfem.models.poisson import laplace, mass

from examples.mesh_flow.channel import CYLINDER, CYLINDERS, INLET, OUTLET, WALL, Channel


@dataclass(frozen=True)
class Conditions:
    """What differs from one simulation to the next.

    Attributes
    ----------
    speed : float
        Mean speed of the flow.
    circulation : tuple of float
        By how much the stream function of each cylinder differs from that of an even flow.
    warmth : tuple of float
        Temperature of each cylinder.
    conductivity : float
    """

    speed: float
    circulation: tuple[float, ...]
    warmth: tuple[float, ...]
    conductivity: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Conditions:
        count = len(CYLINDERS)
        return cls(
            float(rng.uniform(0.6, 1.2)),
            tuple(rng.uniform(-0.15, 0.15, count).tolist()),
            tuple(rng.uniform(0.3, 1.0, count).tolist()),
            float(rng.uniform(0.004, 0.012)),
        )


class Physics:
    """The matrices of one mesh.

    Parameters
    ----------
    mesh : Channel
    step : float
        Time between two states that :meth:`simulate` returns.
    substeps : int
        Of the solver, in each of them.
    """

    def __init__(self, mesh: Channel, step: float, substeps: int) -> None:
        self.mesh, self.step, self.substeps = mesh, step, substeps
        self.basis = skfem.Basis(
            skfem.MeshTri(mesh.positions.T.copy(), mesh.triangles.T.copy()), skfem.ElementTriP1()
        )
        self.mass: sp.csr_array = sp.csr_array(mass.assemble(self.basis))
        self.stiffness: sp.csr_array = sp.csr_array(laplace.assemble(self.basis))
        self._streams = [self._stream(number) for number in range(-1, len(CYLINDERS))]

    def _stream(self, cylinder: int) -> np.ndarray:  # [n]
        """Harmonic: 1 on one cylinder and 0 on all else; for -1, as between two walls."""
        kind, y = self.mesh.kind, self.mesh.positions[:, 1]
        fixed = np.flatnonzero(kind != 0)
        value = np.zeros(len(kind))
        if cylinder < 0:
            open_ends = (kind == INLET) | (kind == OUTLET) | (kind == WALL)
            value[open_ends] = y[open_ends]
            for number, (_, middle, _) in enumerate(CYLINDERS):
                value[kind == CYLINDER + number] = middle
        else:
            value[kind == CYLINDER + cylinder] = 1.0
        stream: np.ndarray = skfem.solve(*skfem.condense(self.stiffness, x=value, D=fixed))
        return stream

    def velocity(self, conditions: Conditions) -> np.ndarray:  # [F, 2]
        """Of the fluid in every triangle."""
        weights = (conditions.speed, *conditions.circulation)
        stream = sum(w * psi for w, psi in zip(weights, self._streams, strict=True))
        slope = self.basis.interpolate(stream).grad[:, :, 0]  # the same all over a triangle
        return np.stack([slope[1], -slope[0]], axis=1)

    def node_velocity(self, conditions: Conditions) -> np.ndarray:  # [n, 2]
        """Mean over the triangles of a node."""
        velocity = self.velocity(conditions)
        total = np.zeros((len(self.mesh.positions), 2))
        count = np.zeros((len(self.mesh.positions), 1))
        for corner in self.mesh.triangles.T:
            np.add.at(total, corner, velocity)
            np.add.at(count, corner, 1.0)
        result: np.ndarray = total / count
        return result

    def boundary(self, conditions: Conditions) -> tuple[np.ndarray, np.ndarray]:
        """The nodes whose temperature is given, and these temperatures."""
        kind = self.mesh.kind
        value = np.zeros(len(kind))
        for number, warmth in enumerate(conditions.warmth):
            value[kind == CYLINDER + number] = warmth
        given = np.flatnonzero((kind == INLET) | (kind >= CYLINDER))
        return given, value[given]

    def simulate(self, conditions: Conditions, start: np.ndarray, steps: int) -> np.ndarray:
        """States from ``start`` on, by Crank and Nicolson's rule, shape (steps + 1, n)."""

        @skfem.BilinearForm
        def carried(u: Any, v: Any, w: Any) -> Any:
            return (w.flow[0] * grad(u)[0] + w.flow[1] * grad(u)[1]) * v

        flow = self.velocity(conditions).T[:, :, None]
        flow = np.broadcast_to(flow, (2, flow.shape[1], self.basis.X.shape[1]))
        transport = sp.csr_array(carried.assemble(self.basis, flow=flow))
        transport = transport + conditions.conductivity * self.stiffness
        half = 0.5 * self.step / self.substeps
        given, value = self.boundary(conditions)
        free = np.setdiff1d(np.arange(len(start)), given)
        left, right = self.mass + half * transport, self.mass - half * transport
        solver = splu(left[free][:, free].tocsc())
        constant = (right[free][:, given] - left[free][:, given]) @ value
        state = start.copy()
        state[given] = value
        states = [state.copy()]
        for _ in range(steps):
            for _ in range(self.substeps):
                state[free] = solver.solve(right[free][:, free] @ state[free] + constant)
            states.append(state.copy())
        return np.stack(states)


def blobs(mesh: Channel, rng: np.random.Generator) -> np.ndarray:  # [n]
    """A temperature to start from: some warm and some cold places."""
    result = np.zeros(len(mesh.positions))
    for _ in range(rng.integers(3, 7)):
        centre = rng.uniform((0, 0), (2, 1))
        width = rng.uniform(0.05, 0.2)
        away = ((mesh.positions - centre) ** 2).sum(axis=1)
        result += rng.uniform(-0.3, 1.0) * np.exp(-away / (2 * width**2))
    return result
