"""The predict, view and sample commands: from a detector's file to 3D, and a page that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro

from examples.hgn_pose.bodies import BodyOptions
from examples.hgn_pose.checkpoint import SHIPPED_WEIGHTS, read_passport
from examples.hgn_pose.commands import Flat, load_network
from examples.hgn_pose.evaluation import answer
from examples.hgn_pose.files import make_folder, write_bytes
from examples.hgn_pose.lifting import page, prediction, sample
from examples.hgn_pose.lifting.checks import check, to_pixels
from examples.hgn_pose.lifting.framing import Framing, frame
from examples.hgn_pose.lifting.gaps import FROM_TIME, FROM_VIEWS, Track, fill
from examples.hgn_pose.lifting.keypoint_files import read_keypoints
from examples.hgn_pose.lifting.mapping import Trunk, to_skeleton, trunk_of
from examples.hgn_pose.lifting.prediction import Prediction, coarse_meshes
from examples.hgn_pose.lifting.tracks import one_person
from examples.hgn_pose.machine import MachineOptions
from examples.hgn_pose.metrics import mpjpe, pa_mpjpe
from examples.hgn_pose.networks import NetworkOptions
from examples.hgn_pose.task import coarsen_body
from multiscale_gcn import __version__

ConventionName = Literal["coco17", "body25", "mediapipe33", "human36m17", "skeleton17"]


@dataclass(frozen=True)
class KeypointOptions:
    """How to read the 2D joints of one person."""

    image_size: tuple[int, int] | None = None
    """Width and height of the image in pixels, if the file does not say."""
    convention: Literal["auto"] | ConventionName = "auto"
    """Which joints the file holds; auto: only if the file leaves no doubt."""
    units: Literal["auto", "pixels", "normalised"] = "auto"
    """normalised: coordinates are shares of the image; auto: they are for MediaPipe alone."""
    person: str | None = None
    """Whom to take if the file shows several: an id, largest, or confident."""
    fps: float | None = None
    """Frames per second, if the file does not say; 25 if nothing does."""
    threshold: float = 0.3
    """Joints of less confidence count as not seen."""
    max_gap: int = 10
    """Interpolate a joint in time over up to so many frames."""
    min_joints: int = 12
    """Of the 17 joints, after that; the others are taken from views that look alike."""
    drop_frames: bool = False
    """Leave out frames with fewer joints, instead of refusing the file."""
    check: bool = True
    """Refuse keypoints that look upside down, crossed, outside of the image or misnamed."""

    def validate(self) -> None:
        """Refuse options that make no sense."""
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold}")
        if self.max_gap < 0:
            raise ValueError(f"max_gap must not be negative, got {self.max_gap}")
        if not 2 <= self.min_joints <= 17:
            raise ValueError(f"min_joints must lie between 2 and 17, got {self.min_joints}")
        if self.fps is not None and not self.fps > 0:
            raise ValueError(f"fps must be positive, got {self.fps}")
        if self.image_size is not None and min(self.image_size) < 1:
            raise ValueError(f"image_size must be positive, got {self.image_size}")


@dataclass(frozen=True, eq=False)
class Person:
    """What was read of one person."""

    track: Track
    image_size: tuple[int, int]
    fps: float
    facts: dict[str, object]


def read_person(path: Path, options: KeypointOptions, trunk: Trunk) -> Person:
    """Read, check, map to 17 joints and fill: all that comes before the network.

    Parameters
    ----------
    path : Path
        File or folder of a detector.
    options : KeypointOptions
    trunk : Trunk
        Of the motion that the network was trained on.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        Whatever is wrong with the file, and what to do.
    """
    options.validate()
    found = read_keypoints(path)
    size = options.image_size or found.image_size
    if size is None:
        raise ValueError(
            f"{path} does not say how large the image is; give --image-size WIDTH HEIGHT"
        )
    found = found.in_convention(options.convention)
    if options.units != "auto":
        found = replace(found, normalised=options.units == "normalised")
    found = to_pixels(found, size, options.threshold)
    found = one_person(found, options.person, options.max_gap)
    if options.check:
        check(found, size, options.threshold)
    convention = str(found.convention)
    joints, sure = to_skeleton(found.points, found.confidence, convention, trunk, options.threshold)
    track = fill(
        found.frame,
        joints,
        sure,
        max_gap=options.max_gap,
        min_joints=options.min_joints,
        drop=options.drop_frames,
    )
    facts: dict[str, object] = {
        "keypoints": path.name,
        "convention": convention,
        "person": found.person[0],
    }
    return Person(track, size, options.fps or found.fps or 25.0, facts)


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
        motion = str(passport.facts["data"])
        trunk = trunk_of(motion)
        person = read_person(self.keypoints, self.reading, trunk)
        _tell(person)
        make_folder(self.out)
        body = self.body.load()
        hierarchy = coarsen_body(body)
        model = load_network(weights, body, hierarchy)
        inputs = frame(person.track.joints, person.image_size, self.framing, trunk)
        sizes = NetworkOptions(**passport.network).mesh_sizes if passport.facts["meshes"] else ()
        levels = [hierarchy.level(size) for size in sizes]
        pose, *vertices = answer(
            model.to(device),
            torch.from_numpy(inputs).to(device),
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
                "network": passport.network["network"],
                "weights": weights.name,
                "trained_on": motion,
                "framing": self.framing,
                "flip": self.flip,
                "multiscale_gcn": __version__,
            },
        )


@dataclass(frozen=True)
class View:
    """Make the page of a prediction, or of true poses, that predict or sample wrote."""

    prediction: Annotated[Path, tyro.conf.Positional]
    """An npz file that predict or sample wrote."""
    truth: Path | None = None
    """Another one with the true poses of the same frames, to show beside it."""
    out: Path | None = None
    """HTML file to write; by default beside the prediction."""
    page_frames: int = 1000
    """Frames that the page shows at most; of longer clips it shows every n-th."""

    def run(self) -> None:
        result = prediction.load(self.prediction)
        truth = None if self.truth is None else matching(prediction.load(self.truth), result)
        show(result, truth, self.out or self.prediction.with_suffix(".html"), self.page_frames)


@dataclass(frozen=True)
class Sample:
    """Write a file of 2D joints as a detector would, from the built-in motion, to try predict."""

    out: Path = Path("runs/sample/keypoints.json")
    """File to write: .json, .csv or .npz; the true poses go beside it, to truth.npz."""
    clip: str = "walk"
    """Name of a built-in clip."""
    convention: ConventionName = "coco17"
    """Which joints to write."""
    camera: int = 0
    """Which of the four cameras sees the clip."""

    def run(self) -> None:
        clip = sample.film(self.clip, self.camera)
        sample.write_keypoints(self.out, clip, self.convention)
        truth = self.out.with_name("truth.npz")
        prediction.save(truth, sample.truth(clip))
        print(f"wrote {self.out} and {truth}: {len(clip.frame)} frames of {self.clip}")


def matching(truth: Prediction, result: Prediction) -> Prediction:
    """The true poses of the frames of a prediction.

    Raises
    ------
    ValueError
        Naming the first frame that the truth lacks.
    """
    missing = np.setdiff1d(result.frame, truth.frame)
    if len(missing):
        raise ValueError(f"truth has no frame {missing[0]}; give the truth of the same clip")
    return prediction.select(truth, np.searchsorted(truth.frame, result.frame))


def show(result: Prediction, truth: Prediction | None, path: Path, frames: int) -> None:
    """Write the page of a prediction."""
    html = page.render(result, truth, frames)
    write_bytes(path, html.encode())
    print(f"open {path}  ({len(html) / 1e6:.1f} MB)")


def _tell(person: Person) -> None:
    origin = person.track.origin
    filled = (origin == FROM_TIME).mean(), (origin == FROM_VIEWS).mean()
    facts = person.facts
    print(
        f"{len(person.track)} frames of person {facts['person']}, {facts['convention']}; joints "
        f"interpolated in time: {filled[0]:.1%}, taken from views alike: {filled[1]:.1%}"
    )
