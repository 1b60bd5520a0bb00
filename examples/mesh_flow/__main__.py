"""Command line of the flow example: ``python -m examples.mesh_flow --help``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

try:
    import matplotlib  # noqa: F401
    import skfem  # noqa: F401
    import tqdm  # noqa: F401
    import tyro
except ModuleNotFoundError as error:
    sys.exit(f"the example needs {error.name}: pip install --editable '.[flow]' in the clone")

import numpy as np
import torch

from examples.mesh_flow.channel import channel
from examples.mesh_flow.networks import FlowNet, Scales
from examples.mesh_flow.physics import Physics
from examples.mesh_flow.report import Row, film, picture, table, write_figures
from examples.mesh_flow.simulations import Simulation, simulate
from examples.mesh_flow.training import (
    Stepper,
    Training,
    one_step_error,
    rolled_out,
    scale_of_steps,
    train,
)
from multiscale_gcn.checks.arguments import real_number, whole_number
from multiscale_gcn.checks.writing import whole_file

DESCRIPTION = """Learn how heat is carried by a flow past warm cylinders, on a mesh of ten thousand
nodes: message passing on the mesh alone (MeshGraphNets), and up and down bi-stride and heavy edge
hierarchies, with as many blocks. Prints their errors, and writes a table, a picture and a film."""

SOLVER_SUBSTEPS = 20
SCALES = 5
BLOCKS = (1, 1, 1, 2, 2, 2, 1, 1, 1)
"""At each stop on the way down and up."""


@dataclass(frozen=True)
class Compare:
    """Simulate, train three networks, and compare them on simulations that they have not seen."""

    out: Path = Path("runs/flow")
    """Folder for table.md, figures.json, comparison.png and film.gif."""
    spacing: float = 0.0148
    """Distance of neighbouring nodes in a channel of 2 by 1; the default gives 9,978 nodes."""
    step: float = 0.2
    """Time that a network steps over; the solver takes twenty steps for it."""
    simulations: int = 60
    """For training, of 3 steps each."""
    tests: int = 4
    """Simulations to test on, of 10 steps each."""
    channels: int = 32
    """Features of nodes and edges."""
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        real_number(self.spacing, "spacing", above=0)
        real_number(self.step, "step", above=0)
        for name in ("simulations", "tests", "channels"):
            whole_number(getattr(self, name), name, least=1)

    def run(self) -> None:
        began = time.perf_counter()
        self.out.mkdir(parents=True, exist_ok=True)
        mesh = channel(self.spacing)
        physics = Physics(mesh, self.step, SOLVER_SUBSTEPS)
        learned = simulate(physics, self.simulations, 3, seed=1)
        unseen = simulate(physics, self.tests, 10, seed=2)
        rows, losses = [], {}
        states = {"solver": unseen[0].states.numpy()}
        scale = scale_of_steps(learned)
        for name, scales, blocks in (
            ("mesh alone", Scales.one(mesh), [sum(BLOCKS)]),
            ("bi-stride", Scales.bi_stride(mesh, SCALES), BLOCKS),
            ("heavy edges", Scales.heavy_edges(mesh, SCALES), BLOCKS),
        ):
            torch.manual_seed(self.training.seed)
            network = FlowNet(scales, self.channels, blocks)
            stepper = Stepper(network, scale)
            losses[name], seconds = train(stepper, learned, self.training, name)
            rollouts = [rolled_out(stepper, one) for one in unseen]
            states[name] = rollouts[0].numpy()
            rows.append(
                Row(
                    name,
                    sum(p.numel() for p in network.parameters() if p.requires_grad),
                    one_step_error(stepper, unseen),
                    _at_the_end(rollouts, [one.states for one in unseen]),
                    seconds,
                    _milliseconds(stepper, unseen[0]),
                )
            )
            print(table(rows[-1:], 10).splitlines()[-1], flush=True)
        text = table(rows, 10)
        write_figures(self.out / "figures.json", rows, asdict(self) | {"out": str(self.out)})
        with whole_file(self.out / "table.md") as file:
            file.write((text + "\n").encode())
        picture(self.out / "comparison.png", mesh, states, losses)
        film(self.out / "film.gif", mesh, states)
        print(f"\n{text}\n\n{len(mesh.positions):,} nodes, {torch.get_num_threads()} threads")
        print(f"{time.perf_counter() - began:.0f} s in all; wrote {self.out}")


def _at_the_end(rollouts: Sequence[torch.Tensor], truths: Sequence[torch.Tensor]) -> float:
    """Relative L2 error of the last states."""
    found = torch.stack([one[-1] for one in rollouts])
    true = torch.stack([one[-1] for one in truths])
    return float((found - true).norm() / true.norm())


@torch.no_grad()
def _milliseconds(stepper: Stepper, simulation: Simulation) -> float:
    """Median time of a step."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        stepper(simulation.states[:1], simulation.surroundings[None], simulation.given[None])
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e3


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison; bad input ends the process with a message and the status 2."""
    try:
        tyro.cli(
            Compare, args=arguments, prog="python -m examples.mesh_flow", description=DESCRIPTION
        ).run()
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
