"""The predict command: from a detector's file to 3D."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.body.smpl_files import load_smpl
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions
from examples.hgn_pose.commands.prediction_page import matching, show
from examples.hgn_pose.files.writing import make_folder
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.lifting.gaps import FROM_TIME, FROM_VIEWS, usual_step
from examples.hgn_pose.lifting.lifters import Lifters, PoseAndMeshes
from examples.hgn_pose.lifting.outputs.body_clip import LEVEL
from examples.hgn_pose.lifting.outputs.formats import check_formats, destinations, write_files
from examples.hgn_pose.lifting.over_time.standing import down_of_standing
from examples.hgn_pose.lifting.over_time.steady import TimeOptions, steady
from examples.hgn_pose.lifting.over_time.trajectory import trajectory
from examples.hgn_pose.lifting.prediction import Prediction, coarse_meshes
from examples.hgn_pose.lifting.reading import KeypointOptions, Person, read_people
from examples.hgn_pose.lifting.viewing import ChosenFraming, View, ViewOptions
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe
from multiscale_gcn import __version__


@dataclass(frozen=True)
class Predict:
    """Lift the 2D joints that a pose detector found to 3D poses and coarse meshes."""

    keypoints: Annotated[Path, tyro.conf.Positional]
    """What a detector of 2D joints wrote: a file (.json, .csv, .npz, .h5, .txt and others), or a
    folder of one file a frame; of one image or a whole video."""
    weights: Path | None = None
    """File of weights that demo or train wrote; or the name of some that come with the example:
    clips, for clips of real video, without meshes; video, for single frames of it; robust, HGN for
    the same; studio, HGN for level cameras with exact joints; lifter, nearer to the truth than
    studio and without meshes. By default clips, with the meshes of video, where the frames are of
    one movement, a second of it or more and ten frames a second or more; else video."""
    body: Annotated[BodyOptions, Flat] = field(default_factory=BodyOptions)
    out: tuple[Path, ...] = (Path("runs/predict"),)
    """Folder for prediction.npz, prediction.json and prediction.html, or files for other tools, or
    both: .bvh, .glb, .trc, .csv, .smpl.npz, .mp4, .gif. With --person all each person has a folder
    in the folder, and files with a number."""
    smpl_model: Path | None = None
    """Model file of SMPL or SMPL-X of yours, whose parameters .smpl.npz files are to hold."""
    reading: Annotated[KeypointOptions, Flat] = field(default_factory=KeypointOptions)
    time: Annotated[TimeOptions, Flat] = field(default_factory=TimeOptions)
    view: Annotated[ViewOptions, Flat] = field(default_factory=ViewOptions)
    framing: ChosenFraming = "auto"
    """person: bring every frame to the place and size that the network was trained with, for any
    camera, and for joints of an image that was cut out around the person; image: keep them, for a
    camera like those of the training, five metres away. auto: person, but nothing with weights that
    face the person by themselves."""
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
        self.time.validate()
        where = destinations(self.out)
        smpl = None if self.smpl_model is None else load_smpl(self.smpl_model)
        truth = None if self.truth is None else prediction.load(self.truth)
        lifters = Lifters(self.weights, self.body.load(), device)
        people = read_people(self.keypoints, self.reading, lifters.trunk)
        for folder in where.folders():
            make_folder(folder)
        check_formats(where, smpl or lifters.body)
        for person in people:
            _tell(person)
            result = self._lifted(person, lifters.of(person))
            if truth is not None:
                _compare(result, matching(truth, result))
            here = where if len(people) == 1 else where.numbered(person.number)
            if here.folder is not None:
                self._write(result, truth, here.folder, lifters.body)
            write_files(here, result, lifters.body, smpl)

    def predict(self, device: torch.device) -> Prediction:
        """The first person of the file, without writing anything."""
        lifters = Lifters(self.weights, self.body.load(), device)
        person = read_people(self.keypoints, self.reading, lifters.trunk)[0]
        _tell(person)
        return self._lifted(person, lifters.of(person))

    def _lifted(self, person: Person, networks: PoseAndMeshes) -> Prediction:
        view = self.view.read(person.image_size)
        pose, meshes = networks.lift(person, self.framing, view, flip=self.flip)
        lifter = networks.pose
        by_rays = lifter.facing and self.framing == "auto"
        facts = person.facts
        root = None
        if person.clip:
            pose, meshes = steady(pose, meshes, person.track.frame, person.fps, self.time)
            facts = {**facts, "smooth_ms": self.time.smooth, "one_length": self.time.one_length}
            down = down_of_standing(pose) if lifter.facing and view.down is None else None
            if down is not None:
                view = replace(view, down=down)
                facts |= {"down": view.facts()["down"], "down_from": "how the person stands"}
                print(
                    f"  down is {_askew(down):.0f} degrees off the camera's, as the person stands"
                )
            root = walked(pose, person, view) if view.known else None
        return Prediction(
            frame=person.track.frame,
            image=person.track.joints.astype(np.float32),
            confidence=person.track.confidence.astype(np.float32),
            origin=person.track.origin,
            pose=pose,
            meshes=coarse_meshes(lifter.body, networks.meshes.hierarchy, meshes),
            image_size=person.image_size,
            fps=person.fps,
            root=root,
            facts={
                **facts,
                **networks.facts(),
                "framing": "rays" if by_rays else self.framing.replace("auto", "person"),
                **(view.facts() if view.known or by_rays else {}),
                "flip": self.flip,
                "multiscale_gcn": __version__,
            },
        )

    def _write(
        self, result: Prediction, truth: Prediction | None, folder: Path, body: BodyModel
    ) -> None:
        prediction.save(folder / "prediction.npz", result)
        print(f"wrote {folder}/prediction.npz and prediction.json")
        if self.page:
            beside = None if truth is None else matching(truth, result)
            show(result, beside, folder / "prediction.html", self.page_frames, body)


def walked(pose: np.ndarray, person: Person, view: View) -> np.ndarray:  # [T, 3] float32
    """Where the pelvis was; the camera was level if nobody says which way is down."""
    track = person.track
    pace = person.fps / usual_step(track.frame)
    weight = np.maximum(track.confidence, 0.05)
    down = np.array(LEVEL) if view.down is None else view.down
    slopes = view.slopes(track.joints)
    return trajectory(pose, slopes, weight, down, pace).astype(np.float32)


def _askew(down: np.ndarray) -> float:
    return float(np.rad2deg(np.arccos(min(1.0, float(down @ LEVEL)))))


def _compare(result: Prediction, truth: Prediction) -> None:
    print(
        f"MPJPE {mpjpe(result.pose, truth.pose):.1f} mm, "
        f"PA-MPJPE {pa_mpjpe(result.pose, truth.pose):.1f} mm"
    )


def _tell(person: Person) -> None:
    origin = person.track.origin
    filled = (origin == FROM_TIME).mean(), (origin == FROM_VIEWS).mean()
    facts = person.facts
    print(
        f"{len(person.track)} frames of person {facts['person']}, {facts['convention']}; joints "
        f"interpolated in time: {filled[0]:.1%}, taken from views alike: {filled[1]:.1%}"
    )
    for line in person.decided:
        print(f"  {line}")
    if len(person.track) > 1 and not person.clip:
        print("  the frames have nothing in common, so they are no clip: each is lifted alone")
