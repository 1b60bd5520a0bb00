"""Measure a network on held-out frames: every frame, every camera, nothing augmented."""

from __future__ import annotations

from torch import nn

from examples.hgn_pose.measuring.metrics import distances
from examples.hgn_pose.measuring.predictions import predict
from examples.hgn_pose.measuring.scores import Scores, score
from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.samples.sample_set import SampleSet


def evaluate(
    model: nn.Module, samples: SampleSet, cameras: Cameras, *, flip: bool = False
) -> Scores:
    """Predict and score in one go.

    Parameters
    ----------
    model : nn.Module
        As in :func:`predict`.
    samples, cameras
        On the model's device.
    flip : bool
        As in :func:`~examples.hgn_pose.measuring.predictions.answer`.

    Returns
    -------
    Scores
    """
    return score(predict(model, samples, cameras, flip=flip))


def watch(model: nn.Module, samples: SampleSet, cameras: Cameras) -> float:
    """MPJPE alone, in millimetres: all that is watched while a network trains."""
    predictions = predict(model, samples, cameras)
    return float(distances(predictions.pose, predictions.true_pose).mean())
