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
from examples.hgn_pose.lifting.framing import Framing
from examples.hgn_pose.lifting.gaps import FROM_TIME, FROM_VIEWS
from examples.hgn_pose.lifting.mapping import Trunk, trunk_of
from examples.hgn_pose.lifting.prediction import Prediction, coarse_meshes
from examples.hgn_pose.lifting.reading import KeypointOptions, Person, read_person
from examples.hgn_pose.lifting.viewing import ChosenFraming, ViewOptions, network_input
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.measuring.predictions import answer
from examples.hgn_pose.network.passports import load_network, network_of, steps_per_second_of
from examples.hgn_pose.network.weights import Passport, read_passport, weights_file
from examples.hgn_pose.samples.inputs import Inputs
from multiscale_gcn import __version__


@dataclass(frozen=True)
class Predict:
    """Lift the 2D joints that a pose detector found to 3D poses and coarse meshes."""

    keypoints: Annotated[Path, tyro.conf.Positional]
    """File of 2D joints (.json, .csv, .npz), or OpenPose's folder; one image or a whole video."""
    weights: Path | None = None
    """File of weights that demo or train wrote; or studio or robust, those that come with the
    example: for level cameras with exact joints, and for real video. By default studio."""
    body: Annotated[BodyOptions, Flat] = field(default_factory=BodyOptions)
    out: Path = Path("runs/predict")
    """Folder for prediction.npz, prediction.json and prediction.html."""
    reading: Annotated[KeypointOptions, Flat] = field(default_factory=KeypointOptions)
    view: Annotated[ViewOptions, Flat] = field(default_factory=ViewOptions)
    framing: ChosenFraming = "auto"
    """person: bring every frame to the place and size that the network was trained with, for any
    camera; image: keep them, for a camera like those of the training, five metres away. auto:
    person, but nothing with weights that face the person by themselves."""
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
        weights = weights_file(self.weights)
        passport = read_passport(weights)
        motion = passport.facts["data"]
        trunk = trunk_of(motion)
        person = read_person(self.keypoints, self.reading, trunk)
        _tell(person)
        make_folder(self.out)
        body = self.body.load()
        network = network_of(weights, passport)
        hierarchy = network.graphs.of(body)
        model = load_network(weights, body, hierarchy)
        view = self.view.read(person.image_size)
        asked = network_input(
            person.track.joints,
            person.image_size,
            self.framing,
            trunk,
            view,
            facing=network.facing,
        )
        sizes = network.mesh_sizes if passport.facts["meshes"] else ()
        levels = [hierarchy.level(size) for size in sizes]
        answers = answer(
            model.to(device),
            torch.from_numpy(asked.image).to(device)
            if network.window == 1
            else self._clips(person, trunk, network.window, weights, passport, device),
            [torch.tensor(level.constraints.symmetry, device=device) for level in levels],
            flip=self.flip,
        )
        pose, *vertices = (asked.turned_back(points) for points in answers)
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
                "network": network.network,
                "weights": weights.name,
                "trained_on": motion,
                "framing": "rays" if network.facing else self.framing.replace("auto", "person"),
                **(view.facts() if network.facing or view.known else {}),
                "flip": self.flip,
                "multiscale_gcn": __version__,
            },
        )

    def _clips(
        self,
        person: Person,
        trunk: Trunk,
        window: int,
        weights: Path,
        passport: Passport,
        device: torch.device,
    ) -> Inputs:
        track, size = person.track, person.image_size
        if self.view.read(size).known:
            raise ValueError(
                f"{weights} is of a network that is given clips, which knows no camera; leave "
                "--camera, --field-of-view, --pitch and --roll out"
            )
        rate = steps_per_second_of(weights, passport)
        print(f"the network is given {window} frames around each one, {rate:.3g} a second")
        framing: Framing = "person" if self.framing == "auto" else self.framing
        time = track.frame / person.fps
        return TrackClips(time, track.joints, window, rate, size, framing, trunk, device)


def _tell(person: Person) -> None:
    origin = person.track.origin
    filled = (origin == FROM_TIME).mean(), (origin == FROM_VIEWS).mean()
    facts = person.facts
    print(
        f"{len(person.track)} frames of person {facts['person']}, {facts['convention']}; joints "
        f"interpolated in time: {filled[0]:.1%}, taken from views alike: {filled[1]:.1%}"
    )
    for line in person.decided:
        print(line)
