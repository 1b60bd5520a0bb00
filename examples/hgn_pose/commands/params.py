"""The params command: parameter counts beside the paper's."""

from __future__ import annotations

from dataclasses import dataclass

from examples.hgn_pose.body.coarse import MESH_SIZES, coarse_body
from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.measuring.parameter_counts import format_table, parameter_table


@dataclass(frozen=True)
class Params:
    """Print the parameter counts of the paper's models beside the paper's figures."""

    def run(self) -> None:
        _, hierarchy = coarse_body()
        mesh48, mesh96 = (hierarchy.level(size).graph for size in MESH_SIZES)
        print(format_table(parameter_table(skeleton_graph(), mesh48, mesh96)))
