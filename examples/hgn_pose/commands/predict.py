"""The predict command: from a detector's file to 3D."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions
from examples.hgn_pose.commands.prediction_page import matching, show
from examples.hgn_pose.files.writing import make_folder
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.lifting.clips import TrackClips
from examples.hgn_pose.lifting.framing import Framing, frame
from examples.hgn_pose.lifting.gaps import FROM_TIME, FROM_VIEWS
from examples.hgn_pose.lifting.mapping import Trunk, trunk_of
from examples.hgn_pose.lifting.prediction import Prediction, coarse_meshes
from examples.hgn_pose.lifting.reading import KeypointOptions, Person, read_person
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.measuring.predictions import answer
from examples.hgn_pose.network.passports import load_network, network_of, steps_per_second_of
from examples.hgn_pose.network.weights import SHIPPED_WEIGHTS, Passport, read_passport
from examples.hgn_pose.samples.inputs import Inputs
from multiscale_gcn import __version__


@dataclass(frozen=True)
class Predict:
    """Lift the 2D joints that a pose detector found to 3D poses and coarse meshes."""

    keypoints: Annotated[Path, tyro.conf.Positional]
    """File of 2D joints (.json, .csv, .npz), or OpenPose's folder; one image or a whole video."""
    weights: Path | None = None
    """File of weights that demo or train wrote; by default those that come with the example."""
    body: Annotated[BodyOptions, Flat] = field(default_factory=BodyOptions)
    out: Path = Path("runs/predict")
    """Folder for prediction.npz, prediction.json and prediction.html."""
    reading: Annotated[KeypointOptions, Flat] = field(default_factory=KeypointOptions)
    framing: Framing = "person"
    """person: bring every frame to the place and size that the network was trained with, for any
    camera; image: keep them, for a camera like those of the training, five metres away."""
    flip: bool = True
    """Predict the mirrored input too, and average."""
    truth: Path | None = None
    """True 3D poses to compare with, as the sample command writes them."""
    page: bool = True
    """Write prediction.html."""
    page_frames: int = 1000
    """Frames that the page shows at most; of longer clips it shows every n-th."""
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)

    def run(self) -> None:
        device = self.machine.prepare()
        if self.page_frames < 1:
            raise ValueError(f"page_frames must be at least 1, got {self.page_frames}")
        truth = None if self.truth is None else prediction.load(self.truth)
        result = self.predict(device)
        if truth is not None:
            truth = matching(truth, result)
            print(
                f"MPJPE {mpjpe(result.pose, truth.pose):.1f} mm, "
                f"PA-MPJPE {pa_mpjpe(result.pose, truth.pose):.1f} mm"
            )
        prediction.save(self.out / "prediction.npz", result)
        print(f"wrote {self.out}/prediction.npz and prediction.json")
        if self.page:
            show(result, truth, self.out / "prediction.html", self.page_frames)

    def predict(self, device: torch.device) -> Prediction:
        """Everything but the files."""
        weights = self.weights or SHIPPED_WEIGHTS
        passport = read_passport(weights)
        motion = passport.facts["data"]
        trunk = trunk_of(motion)
        person = read_person(self.keypoints, self.reading, trunk)
        _tell(person)
        make_folder(self.out)
        body = self.body.load()
        options = network_of(weights, passport)
        hierarchy = options.graphs.of(body)
        model = load_network(weights, body, hierarchy)
        sizes = options.mesh_sizes if passport.facts["meshes"] else ()
        levels = [hierarchy.level(size) for size in sizes]
        pose, *vertices = answer(
            model.to(device),
            self._inputs(person, trunk, options.window, weights, passport, device),
            [torch.tensor(level.constraints.symmetry, device=device) for level in levels],
            flip=self.flip,
        )
        return Prediction(
            frame=person.track.frame,
            image=person.track.joints.astype(np.float32),
            confidence=person.track.confidence.astype(np.float32),
            origin=person.track.origin,
            pose=pose,
            meshes=coarse_meshes(body, hierarchy, vertices),
            image_size=person.image_size,
            fps=person.fps,
            facts={
                **person.facts,
                "network": options.network,
                "weights": weights.name,
                "trained_on": motion,
                "framing": self.framing,
                "flip": self.flip,
                "multiscale_gcn": __version__,
            },
        )

    def _inputs(
        self,
        person: Person,
        trunk: Trunk,
        window: int,
        weights: Path,
        passport: Passport,
        device: torch.device,
    ) -> Inputs:
        track, size = person.track, person.image_size
        alone = frame(track.joints, size, self.framing, trunk)
        if window == 1:
            return torch.from_numpy(alone).to(device)
        rate = steps_per_second_of(weights, passport)
        print(f"the network is given {window} frames around each one, {rate:.3g} a second")
        time = track.frame / person.fps
        return TrackClips(time, track.joints, window, rate, size, self.framing, trunk, device)


def _tell(person: Person) -> None:
    origin = person.track.origin
    filled = (origin == FROM_TIME).mean(), (origin == FROM_VIEWS).mean()
    facts = person.facts
    print(
        f"{len(person.track)} frames of person {facts['person']}, {facts['convention']}; joints "
        f"interpolated in time: {filled[0]:.1%}, taken from views alike: {filled[1]:.1%}"
    )
