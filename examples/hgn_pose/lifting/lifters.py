"""Which network lifts whom: the one that was named, or the usual ones of clips and of frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.rest import rest_joints
from examples.hgn_pose.lifting.gaps import usual_step
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.mapping import Trunk, trunk_of
from examples.hgn_pose.lifting.reading import Person
from examples.hgn_pose.lifting.viewing import ChosenFraming, View
from examples.hgn_pose.network.weights import read_passport, weights_file
from examples.hgn_pose.samples.other_bodies import carried, shares_of_bones

FRAMES, CLIPS = Path("video"), Path("clips")
"""Weights of the networks that lift if none are named."""
SLOWEST, SHORTEST = 10.0, 1.5
"""Frames a second below which, and seconds under which, frames of a clip are lifted one by one: too
much happens between them, or too little is seen around them."""


@dataclass(frozen=True)
class Lifters:
    """The networks that lift the people of a file, each read when it is first needed.

    Parameters
    ----------
    weights : Path, optional
        Of the only network, as :func:`examples.hgn_pose.network.weights.weights_file` takes them.
        By default those of ``clips`` lift people in clips of at least ``SLOWEST`` frames a second
        and ``SHORTEST`` seconds, with the meshes of those of ``video``; these lift all others.
    body : BodyModel
    device : torch.device
    """

    weights: Path | None
    body: BodyModel
    device: torch.device
    _read: dict[Path, Lifter] = field(default_factory=dict, repr=False)

    @cached_property
    def trunk(self) -> Trunk:
        """Where the motion that they were trained on has the joints of spine and head."""
        return trunk_of(read_passport(weights_file(self.weights or FRAMES)).facts["data"])

    def of(self, person: Person) -> PoseAndMeshes:
        """Who lifts a person.

        Raises
        ------
        ValueError
            As :meth:`.lifter.Lifter.load`.
        """
        usual = self._lifter(self.weights or FRAMES)
        if self.weights is None and _shows_enough(person):
            return PoseAndMeshes(self._lifter(CLIPS), usual)
        return PoseAndMeshes(usual, usual)

    def _lifter(self, weights: Path) -> Lifter:
        if weights not in self._read:
            self._read[weights] = Lifter.load(weights_file(weights), self.body, self.device)
        return self._read[weights]


def _shows_enough(person: Person) -> bool:
    """Whether the frames around each tell what one by itself does not."""
    frame, fps = person.track.frame, person.fps
    step = usual_step(frame)
    seen = len(frame) * step / fps
    return person.clip and seen >= SHORTEST and fps / step >= SLOWEST


@dataclass(frozen=True, eq=False)
class PoseAndMeshes:
    """A network that lifts, and one whose meshes are brought to its poses; or one for both."""

    pose: Lifter
    meshes: Lifter

    def lift(
        self,
        person: Person,
        framing: ChosenFraming,
        view: View,
        *,
        flip: bool,
    ) -> tuple[np.ndarray, list[np.ndarray]]:  # [T, 17, 3], each [T, N, 3]
        """Poses and coarse meshes of a person, metres relative to the pelvis."""

        def lifted(lifter: Lifter) -> tuple[np.ndarray, list[np.ndarray]]:
            track, size = person.track, person.image_size
            time = track.frame / person.fps
            return lifter.lift(track.joints, size, framing, view, flip=flip, time=time)

        pose, meshes = lifted(self.pose)
        if self.meshes is self.pose:
            return pose, meshes
        other, meshes = lifted(self.meshes)
        return pose, [self._brought(mesh, other, pose) for mesh in meshes]

    def facts(self) -> dict[str, str]:
        """For a report."""
        lifter = self.pose
        facts = {"network": lifter.network, "weights": lifter.weights}
        if self.meshes is not lifter:
            facts["meshes"] = self.meshes.weights
        return {**facts, "trained_on": lifter.trained_on}

    def _brought(
        self,
        mesh: np.ndarray,  # [T, N, 3]
        before: np.ndarray,  # [T, 17, 3]
        after: np.ndarray,  # [T, 17, 3]
    ) -> np.ndarray:  # [T, N, 3]
        """A mesh after the joints that were lifted with it were moved to others."""
        body, hierarchy = self.meshes.body, self.meshes.hierarchy
        rest = hierarchy.restrict(body.rest_vertices, 0, hierarchy.level(mesh.shape[1]).index)
        share = shares_of_bones(rest[None], rest_joints(body)[None])
        nodes, start, end = map(torch.from_numpy, (mesh, before, after))
        moved: np.ndarray = carried(nodes, share, start, end).numpy()
        return moved
