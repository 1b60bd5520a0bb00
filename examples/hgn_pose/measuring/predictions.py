"""A network's answers beside the truth: every frame, every camera, nothing augmented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from examples.hgn_pose.body.skeleton import FLIP
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.inputs import Inputs
from examples.hgn_pose.samples.labels import Labels
from examples.hgn_pose.samples.sample_set import SampleSet

AT_ONCE_ON_CPU, AT_ONCE_ON_GPU = 64, 1024
"""Samples that a network answers at once: few stay in the cache of a processor, many keep a GPU
busy."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers beside the truth, camera frame, root-relative, metres, sample by sample.

    Samples run over the rows of ``Samples``, and over the views within a row.
    """

    image: np.ndarray  # [S, 17, 2] the network's input, of a clip the frame that is asked for
    pose: np.ndarray  # [S, 17, 3]
    true_pose: np.ndarray  # [S, 17, 3]
    meshes: tuple[np.ndarray, ...]  # each [S, N, 3]; none for a network without meshes
    true_meshes: tuple[np.ndarray, ...]  # each [S, N, 3]
    fitted: np.ndarray  # [S] bool
    labels: Labels  # of S samples


def predict(
    model: nn.Module,
    samples: SampleSet,
    cameras: Cameras,
    *,
    flip: bool = False,
    batch_size: int | None = None,
) -> Predictions:
    """Run a network over every frame in every camera, or over every recorded sample.

    Parameters
    ----------
    model : nn.Module
        Takes (B, 17, 2), or (B, T, 17, 2) where the samples are clips, and returns a tuple: the
        pose and possibly the meshes. It is switched to evaluation.
    samples : SampleSet
        On the model's device.
    cameras : Cameras
        On the same device.
    flip : bool
        As in :func:`answer`.
    batch_size : int, optional
        Samples at once; changes the speed only. By default as many as suit the device.

    Returns
    -------
    Predictions
        float32 arrays on the CPU.
    """
    image, true_pose, fitted, *true_meshes = seen_by(samples, cameras, batch_size)
    inputs = samples.inputs(cameras, image)
    pose, *meshes = answer(model, inputs, samples.mesh_flips, flip=flip, batch_size=batch_size)
    return Predictions(
        image=image.cpu().numpy(),
        pose=pose,
        true_pose=true_pose.cpu().numpy(),
        meshes=tuple(meshes),
        true_meshes=tuple(mesh.cpu().numpy() for mesh in true_meshes),
        fitted=fitted.cpu().numpy(),
        labels=samples.labels(cameras),
    )


def seen_by(samples: SampleSet, cameras: Cameras, batch_size: int | None = None) -> list[Tensor]:
    """What networks are shown of each frame, and the truth: 2D joints, poses, fits, meshes.

    Parameters
    ----------
    samples, cameras, batch_size
        As in :func:`predict`.

    Returns
    -------
    list of Tensor
        The columns of :class:`~examples.hgn_pose.samples.batches.Batch`, of all S samples, on their
        device: image, pose, fitted, and each mesh.
    """
    views = samples.views(cameras)
    single = samples.single
    everything = torch.arange(len(samples) * views, device=samples.device)
    rows = []
    with torch.inference_mode():
        for chosen in everything.split(batch_size or AT_ONCE_ON_GPU):
            batch = single.batch(cameras, chosen // views, chosen % views)
            rows.append([batch.image, batch.pose, batch.fitted, *batch.meshes])
    return [torch.cat(column) for column in zip(*rows, strict=True)]


def answer(
    model: nn.Module,
    image: Inputs,  # [S, 17, 2], or [S, T, 17, 2]
    mesh_flips: Sequence[Tensor] = (),
    *,
    flip: bool = False,
    batch_size: int | None = None,
) -> list[np.ndarray]:
    """A network's answers to any number of inputs, root-relative.

    The predicted pelvis is subtracted from all that is predicted, as the true one is from the
    truth (protocol #1 of Human3.6M).

    Parameters
    ----------
    model : nn.Module
        As in :func:`predict`.
    image : Inputs, such as a Tensor of shape (S, 17, 2), float32
        Normalised 2D joints, on the model's device.
    mesh_flips : sequence of Tensor, each of shape (N,), int64
        For each mesh that is wanted, the node on the other side of the body.
    flip : bool
        Ask a second time with the mirrored input, mirror the answer back, and average both: the
        test-time flip of VideoPose3D and its kin. SemGCN and HGN do without.
    batch_size : int, optional
        Samples at once; changes the speed only. By default as many as suit the device.

    Returns
    -------
    list of array of float32
        The pose, (S, 17, 3), and as many meshes as the network has and ``mesh_flips`` names, each
        (S, N, 3), metres.
    """
    model.eval()
    at_once = AT_ONCE_ON_CPU if image.device.type == "cpu" else AT_ONCE_ON_GPU
    flips = [torch.tensor(FLIP, device=image.device), *mesh_flips]
    size = batch_size or at_once
    batches = tqdm(
        image.split(size),
        "predicting",
        total=-(-len(image) // size),
        unit="batch",
        delay=2,  # only where it takes long, and somebody sits before the terminal
        leave=False,
        disable=None,
    )
    rows = []
    with torch.inference_mode():
        for seen in batches:
            answers = list(zip(model(seen), flips, strict=False))
            outputs = [output for output, _ in answers]
            if flip:
                again = model(mirrored(seen, flips[0]))
                outputs = [
                    (output + mirrored(other, other_side)) / 2
                    for (output, other_side), other in zip(answers, again, strict=False)
                ]
            rows.append([output - outputs[0][:, :1] for output in outputs])
    return [torch.cat(column).cpu().numpy() for column in zip(*rows, strict=True)]
