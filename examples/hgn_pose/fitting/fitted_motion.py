"""A body for every frame of a motion."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.body.smpl import SmplBody
from examples.hgn_pose.files.caching import cached, checksum_of
from examples.hgn_pose.fitting.fitter import fit, joint_errors
from examples.hgn_pose.motion.motion import WORST_FIT, Motion


def with_bodies(body: BodyModel, motion: Motion, cache: Path | None) -> Motion:
    """The motion with a body in every frame, and how well it fits.

    SMPL's own parameters are taken where the motion and the body are of that kind; otherwise the
    built-in body's poses, if the motion has them; otherwise bodies are fitted.

    Parameters
    ----------
    body : BodyModel
    motion : Motion
    cache : Path, optional
        Folder of earlier results.

    Raises
    ------
    ValueError
        If the parameters are not of this body, or fit so badly that no frame is left.
    """
    if isinstance(body, SmplBody):
        if motion.smpl is not None:
            return _with_parameters(body, motion, cache)
        motion = replace(motion, poses=None, fit_error=None)
    if motion.poses is None:
        motion = fit_motion(body, motion, cache=cache, progress=True)
    return motion


def _with_parameters(body: SmplBody, motion: Motion, cache: Path | None) -> Motion:
    parameters = motion.smpl
    assert parameters is not None
    if parameters.pose.shape[1] != 3 * len(body.parents):
        raise ValueError(
            f"the data set has SMPL parameters of {parameters.pose.shape[1] // 3} bones, but "
            f"body_model is {body.name}; give the model that they are of, or take the files "
            "_smpl_param.json away to have bodies fitted"
        )
    poses = body.poses(parameters.pose, parameters.shape, parameters.translation)

    def make() -> dict[str, np.ndarray]:
        return {"fit_error": joint_errors(body, poses, motion.positions, centred=True)}

    checksum = checksum_of(body.fingerprint, motion.positions, *poses.arrays().values())
    error = cached(cache, "errors", checksum, ["fit_error"], make)["fit_error"]
    kept = np.count_nonzero(error <= WORST_FIT)
    print(
        f"SMPL parameters: {kept:,} of {len(error):,} frames fit within {WORST_FIT:g} mm (median "
        f"{np.median(error):.1f} mm)"
    )
    if not kept:
        raise ValueError(
            f"no frame of the SMPL parameters fits within {WORST_FIT:g} mm: the body_model is "
            "another one than they are of"
            + ("" if body.surface_joints is not None else ", or joint_regressor is missing")
        )
    return replace(motion, poses=poses, fit_error=error)


VERSION = 2
"""Raised when the fitter's result changes, so that old cached fits are not taken."""


def fit_motion(
    body: BodyModel,
    motion: Motion,
    *,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> Motion:
    """The same motion with body poses, from a cache where the same motion was fitted before.

    Parameters
    ----------
    body : BodyModel
    motion : Motion
        Every performer gets a body of their own.
    cache : Path, optional
        Folder of earlier fits. A fit is found by a checksum of positions, performers, body and
        version of the fitter, and added when it is not there.
    device : torch.device or str
        Where to compute.
    progress : bool
        Show a bar while fitting.

    Returns
    -------
    Motion
        With ``poses`` and ``fit_error``.

    Raises
    ------
    ValueError
        If the cached file is damaged.
    """
    performer = np.array([clip.performer for clip in motion.clips])[motion.clip]
    _, person = np.unique(performer, return_inverse=True)
    names = [field.name for field in fields(BodyPose)]

    def make() -> dict[str, np.ndarray]:
        poses, error = fit(body, motion.positions, person, device=device, progress=progress)
        return {"fit_error": error, **poses.arrays()}

    checksum = checksum_of(VERSION, body.fingerprint, motion.positions, person)
    found = cached(cache, "fit", checksum, ["fit_error", *names], make)
    poses = BodyPose(**{name: found[name] for name in names})
    return replace(motion, poses=poses, fit_error=found["fit_error"])
