"""A trained network with all that goes before and behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.lifting.clips import TrackClips
from examples.hgn_pose.lifting.mapping import Trunk, trunk_of
from examples.hgn_pose.lifting.viewing import ChosenFraming, Input, View, clip_input, network_input
from examples.hgn_pose.measuring.predictions import answer
from examples.hgn_pose.network.passports import load_network, network_of, steps_per_second_of
from examples.hgn_pose.network.weights import read_passport
from examples.hgn_pose.samples.inputs import Inputs
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
    network, weights, trained_on : str
        Names for reports.
    trunk : Trunk
        Where the motion that it was trained on has the joints of spine and head.
    facing : bool
        Whether it takes rays, and turns to the person by itself.
    window : int
        Frames that it is given at once.
    steps_per_second : float
        Of a window; of no meaning for a single frame.
    device : torch.device
    """

    model: nn.Module
    body: BodyModel
    hierarchy: Hierarchy
    mesh_sizes: tuple[int, ...]
    network: str
    weights: str
    trained_on: str
    trunk: Trunk
    facing: bool
    window: int
    steps_per_second: float
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
            weights.name,
            passport.facts["data"],
            trunk_of(passport.facts["data"]),
            known.facing,
            known.window,
            steps_per_second_of(weights, passport) if known.window > 1 else 1.0,
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
        time: np.ndarray | None = None,  # [T] seconds
    ) -> tuple[np.ndarray, list[np.ndarray]]:  # [T, 17, 3], each [T, N, 3]
        """Poses and coarse meshes, metres relative to the pelvis.

        Networks that are given a frame see each on its own; those that are given clips take the
        frames around it, and must be told when each was.

        Raises
        ------
        ValueError
            For a network that is given clips, without times.
        """
        asked = self.asked(joints, image_size, framing, view)
        inputs: Tensor | Inputs = torch.from_numpy(asked.image).to(self.device)
        if self.window > 1:
            if time is None:
                raise ValueError(
                    f"{self.network} is given clips of {self.window} frames; take a network that "
                    "is given single frames"
                )
            ask = partial(
                clip_input,
                image_size=image_size,
                framing=framing,
                trunk=self.trunk,
                view=view,
                facing=self.facing,
            )
            rate = self.steps_per_second
            inputs = TrackClips(time, joints, self.window, rate, ask, self.device)
        levels = [self.hierarchy.level(size) for size in self.mesh_sizes] if meshes else []
        answers = answer(
            self.model,
            inputs,
            [torch.tensor(level.constraints.symmetry, device=self.device) for level in levels],
            flip=flip,
        )
        pose, *vertices = (asked.turned_back(points) for points in answers)
        return pose, vertices
