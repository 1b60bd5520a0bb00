"""From options to all that is trained and tested on: coarse graphs, cameras, samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.coarse import CoarseGraphs
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.fitting.fitted_motion import with_bodies
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.motion.footage import Footage
from examples.hgn_pose.motion.holding_out import performer_name
from examples.hgn_pose.motion.motion import Motion, held_out_frames
from examples.hgn_pose.samples.clips import ClipSamples
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.mesh_targets import mesh_targets
from examples.hgn_pose.samples.sample_set import SampleSet
from examples.hgn_pose.samples.samples import RecordedSamples, Samples
from examples.hgn_pose.samples.windows import step_of, windows_around
from multiscale_gcn import Hierarchy

USUAL_GRAPHS = CoarseGraphs()


@dataclass(frozen=True, eq=False)
class PreparedData:
    """All that training and evaluation share, with the samples on one device."""

    body: BodyModel
    hierarchy: Hierarchy
    cameras: Cameras
    train: SampleSet
    test: SampleSet
    split: dict[str, object]
    """Names and numbers of the clips that were read for training and test, for reports, and
    whether those for the test are of test or of validation people."""
    notes: tuple[str, ...]
    """What to keep in mind of figures on them."""
    steps_per_second: float | None = None
    """Of the windows, the median over their clips; None for single frames."""


def prepare_data(
    options: DataOptions,
    device: torch.device,
    *,
    mesh_sizes: Sequence[int] = (),
    frames: int = 1,
    spacing: int = 1,
    test_only: bool = False,
    body: BodyModel | None = None,
    graphs: CoarseGraphs = USUAL_GRAPHS,
) -> PreparedData:
    """Coarsen the body, read and split the motion, and make the mesh targets.

    Parameters
    ----------
    options : DataOptions
    device : torch.device
        Where the samples go.
    mesh_sizes : sequence of int
        Nodes of the coarse meshes that are wanted as targets, which need a body in every frame;
        none by default.
    frames : int
        How many a network is given around each one that is asked for. Which are asked for, the
        strides say; those around are neighbours in the data, whatever the strides.
    spacing : int
        Frames of the data from one of a clip to the next.
    test_only : bool
        Fit and prepare the test frames alone; ``train`` is then a copy of ``test``.
    body : BodyModel, optional
        That of the options, where it is loaded already.
    graphs : CoarseGraphs
        How it is coarsened.

    Returns
    -------
    PreparedData
    """
    body = body or options.load_body()
    hierarchy = graphs.of(body)
    every = options if frames == 1 else replace(options, train_every=1, test_every=1)
    footage = every.read(test_only=test_only)
    held_out = held_out_frames(footage.motion)
    if held_out.all() and not test_only:
        raise ValueError(
            f"{options.data} as found has test frames only; evaluate weights that were trained on "
            "other data, or add clips that are not held out"
        )
    if not held_out.any():
        raise ValueError(f"{options.data} as found has no test frames; add clips that are held out")
    parts: list[SampleSet] = []
    measured_on = "validation" if options.validation else "test"
    facts: dict[str, object] = {
        "data": options.data,
        "body": body.name,
        "measured_on": measured_on,
    }
    for name, chosen, stride in zip(
        ("train", "test"), (~held_out, held_out), options.strides(), strict=True
    ):
        if name == "train" and test_only:
            continue
        # All folds share the bodies of the training people, which take long to fit.
        together = np.ones_like(chosen) if options.validation else chosen
        part = footage.select(together).every(stride)
        if mesh_sizes:
            part = part.with_motion(with_bodies(body, part.motion, options.fit_cache))
        part = part.select(held_out_frames(part.motion) == (name == "test"))
        whole = footage.select(chosen)
        facts |= _facts(name, part.motion)
        samples = _samples(part, body, hierarchy, options.fit_cache, mesh_sizes)
        if frames > 1:
            parts.append(_clips(samples, whole, part, stride, frames, spacing))
        else:
            parts.append(samples)
    facts["cameras"] = len(set(footage.camera_names))
    facts["input"] = footage.input_by(options.keypoints)
    return PreparedData(
        body=body,
        hierarchy=hierarchy,
        cameras=footage.cameras.to(device),
        train=parts[0].to(device),
        test=parts[-1].to(device),
        split=facts,
        notes=(*CATALOGUE[options.settled().data].notes, *footage.notes),
        steps_per_second=None if frames == 1 else _steps_per_second(footage) / spacing,
    )


def _facts(name: str, motion: Motion) -> dict[str, object]:
    clips = np.unique(motion.clip)
    people = dict.fromkeys(performer_name(motion.clips[k].performer) for k in clips)
    return {
        f"{name}_clips": [motion.clips[k].name for k in clips],
        f"{name}_actions": sorted({motion.clips[k].action for k in clips}),
        f"{name}_performers": list(people),
        f"{name}_frames": len(motion),
    }


def _samples(
    footage: Footage,
    body: BodyModel,
    hierarchy: Hierarchy,
    cache: Path,
    sizes: Sequence[int],
) -> Samples:
    if not sizes:
        return gather(_without_bodies(footage))
    motion = footage.motion
    levels = [hierarchy.level(size) for size in sizes]
    restrictions = [hierarchy.restriction(0, level.index, "mean") for level in levels]
    flips = [level.constraints.mirror(level.num_nodes) for level in levels]
    kept = cache if body.pose_directions is not None else None  # otherwise it takes seconds
    targets = mesh_targets(body, motion, restrictions, kept)
    return gather(footage, targets, flips)


def _without_bodies(footage: Footage) -> Footage:
    return footage.with_motion(replace(footage.motion, poses=None, fit_error=None))


def _clips(
    samples: Samples, whole: Footage, part: Footage, stride: int, frames: int, spacing: int = 1
) -> ClipSamples:
    """Samples of every stride-th frame with all frames around them."""
    around = gather(_without_bodies(whole), centred_by=part.motion)
    run, number = whole.motion.clip, whole.number
    if isinstance(around, RecordedSamples):
        sight, camera = around.frame.numpy(), around.camera.numpy()
        run = run[sight] * len(whole.cameras) + camera
        number = number[sight]
    asked = np.flatnonzero(number % stride == 0)
    windows = windows_around(asked, run, number, step_of(run, number), frames, spacing)
    return ClipSamples(samples, around, windows, _steps_per_second(whole))


def _steps_per_second(footage: Footage) -> float:
    motion = footage.motion
    fps = motion.fps[np.unique(motion.clip)]
    return float(np.median(fps)) / step_of(motion.clip, footage.number)
