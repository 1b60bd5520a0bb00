"""A trained network with all that goes before and behind it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.lifting.mapping import Trunk, trunk_of
from examples.hgn_pose.lifting.viewing import ChosenFraming, Input, View, network_input
from examples.hgn_pose.measuring.predictions import answer
from examples.hgn_pose.network.passports import load_network, network_of
from examples.hgn_pose.network.weights import read_passport
from multiscale_gcn import Hierarchy


@dataclass(frozen=True, eq=False)
class Lifter:
    """A trained network.

    Parameters
    ----------
    model : nn.Module
    body : BodyModel
        Whose coarse meshes it predicts.
    hierarchy : Hierarchy
    mesh_sizes : tuple of int
        Nodes of the meshes; none from a network without them.
    network, trained_on : str
        Names for reports.
    trunk : Trunk
        Where the motion that it was trained on has the joints of spine and head.
    facing : bool
        Whether it takes rays, and turns to the person by itself.
    device : torch.device
    """

    model: nn.Module
    body: BodyModel
    hierarchy: Hierarchy
    mesh_sizes: tuple[int, ...]
    network: str
    trained_on: str
    trunk: Trunk
    facing: bool
    device: torch.device

    @classmethod
    def load(cls, weights: Path, body: BodyModel, device: torch.device) -> Lifter:
        """Read weights, and build the network that they are of.

        Raises
        ------
        ValueError
            If they are missing, damaged, or of another body.
        """
        passport = read_passport(weights)
        known = network_of(weights, passport)
        hierarchy = known.graphs.of(body)
        model = load_network(weights, body, hierarchy).to(device).eval()
        return cls(
            model,
            body,
            hierarchy,
            known.mesh_sizes if passport.facts["meshes"] else (),
            known.network,
            passport.facts["data"],
            trunk_of(passport.facts["data"]),
            known.facing,
            device,
        )

    def asked(
        self,
        joints: np.ndarray,  # [T, 17, 2] pixels
        image_size: tuple[int, int],
        framing: ChosenFraming,
        view: View,
    ) -> Input:
        """What the network is asked of some joints."""
        return network_input(joints, image_size, framing, self.trunk, view, facing=self.facing)

    def lift(
        self,
        joints: np.ndarray,  # [T, 17, 2] pixels
        image_size: tuple[int, int],
        framing: ChosenFraming,
        view: View,
        *,
        flip: bool,
        meshes: bool = True,
    ) -> tuple[np.ndarray, list[np.ndarray]]:  # [T, 17, 3], each [T, N, 3]
        """Poses and coarse meshes, each frame on its own, metres relative to the pelvis."""
        asked = self.asked(joints, image_size, framing, view)
        levels = [self.hierarchy.level(size) for size in self.mesh_sizes] if meshes else []
        answers = answer(
            self.model,
            torch.from_numpy(asked.image).to(self.device),
            [torch.tensor(level.constraints.symmetry, device=self.device) for level in levels],
            flip=flip,
        )
        pose, *vertices = (asked.turned_back(points) for points in answers)
        return pose, vertices
