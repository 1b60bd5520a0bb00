"""The solver: what must hold of heat that a flow carries."""

import numpy as np
import pytest

from examples.mesh_flow.channel import CYLINDER, INLET, channel
from examples.mesh_flow.physics import Conditions, Physics, blobs

MESH = channel(spacing=0.06)
PHYSICS = Physics(MESH, step=0.1, substeps=20)
EVEN = Conditions(1.0, (0.0,) * 4, (0.5,) * 4, 0.02)


def test_the_flow_has_no_divergence_and_does_not_cross_walls():
    """Through each edge inside as much leaves one triangle as enters the other."""
    rng = np.random.default_rng(0)
    velocity = PHYSICS.velocity(Conditions.drawn(rng))
    flux: dict[tuple[int, ...], list[float]] = {}
    for triangle, v in zip(MESH.triangles, velocity, strict=True):
        a, b, c = MESH.positions[triangle]
        turn = np.sign((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0])
        for i, j in ((0, 1), (1, 2), (2, 0)):
            dx, dy = MESH.positions[triangle[j]] - MESH.positions[triangle[i]]
            through = turn * (v[0] * dy - v[1] * dx)
            key = tuple(sorted((int(triangle[i]), int(triangle[j]))))
            flux.setdefault(key, []).append(through)
    for (i, j), values in flux.items():
        if len(values) == 2:
            assert sum(values) == pytest.approx(0, abs=1e-12)
        elif MESH.kind[i] >= CYLINDER and MESH.kind[j] >= CYLINDER:
            assert values[0] == pytest.approx(0, abs=1e-12)


def test_as_much_flows_in_as_the_mean_speed_says():
    velocity = PHYSICS.node_velocity(EVEN)
    inlet = velocity[MESH.kind == INLET, 0]
    assert inlet.mean() == pytest.approx(1.0, rel=0.05)
    assert (inlet > 0).all()


def test_warm_everywhere_stays_warm_where_nothing_cold_has_come():
    """A constant solves the equation; the cold inlet changes it only where the flow has been."""
    warm = Conditions(1.0, (0.0,) * 4, (1.0,) * 4, 1e-3)
    states = PHYSICS.simulate(warm, np.ones(len(MESH.positions)), 2)
    far = MESH.positions[:, 0] > 1.2
    assert np.allclose(states[-1][far], 1.0, atol=1e-3)
    assert states[-1][MESH.kind == INLET].max() == 0


def test_smaller_steps_of_the_solver_change_little_and_ever_less():
    start = blobs(MESH, np.random.default_rng(1))
    found = [Physics(MESH, step=0.1, substeps=n).simulate(EVEN, start, 3)[-1] for n in (10, 20, 40)]
    first, second = (np.abs(a - b).max() for a, b in zip(found[1:], found[:-1], strict=True))
    assert second < first < 0.05


def test_heat_diffuses_as_a_gaussian_spreads():
    """Without a flow a Gaussian keeps its heat and its variance grows by 2 k t."""
    still = Conditions(0.0, (0.0,) * 4, (0.0,) * 4, 0.01)
    fine = channel(spacing=0.02)
    physics = Physics(fine, step=0.05, substeps=20)
    x, y = (fine.positions - (1.0, 0.5)).T
    start = np.exp(-(x**2 + y**2) / (2 * 0.04**2))
    states = physics.simulate(still, start, 1)
    variance = 0.04**2 + 2 * 0.01 * 0.05
    expected = 0.04**2 / variance * np.exp(-(x**2 + y**2) / (2 * variance))
    near = np.hypot(x, y) < 0.1
    assert np.abs(states[-1] - expected)[near].max() < 0.02
    assert np.abs(start - expected)[near].max() > 0.3
