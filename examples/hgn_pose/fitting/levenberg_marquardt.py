"""Levenberg-Marquardt for poses, many frames at once, and for a person's shape with them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from examples.hgn_pose.fitting.articulation import Posed, Rig

SCALES = (float("inf"), 0.2, 0.05)
"""Metres; a joint that misses by much more than the last hardly counts (Geman and McClure 1987).

The fit starts without such forgiveness, since far from the solution every joint misses.
"""
POSE_STEPS, SHAPE_STEPS = (6, 6, 30), (10, 6, 12)
"""Most steps at each scale."""
SETTLED = (0.05, 0.05, 1e-3)
"""At each scale a fit is done when a step lowers the cost by less than this share of it."""
DAMPING, MOST_DAMPING = 1e-3, 10.0


def settle_poses(
    rig: Rig,
    unknowns: Tensor,  # [3 P + 3, T]
    target: Tensor,  # [17, 3, T]
) -> Tensor:  # [3 P + 3, T]
    """The unknowns that bring a person's joints nearest to the target, every frame by itself.

    Minimises for every frame the sum over the joints of ``rho(miss) = s^2 miss^2 / (s^2 +
    miss^2)``, with s the last of ``SCALES``, plus the prior.
    """
    unknowns = unknowns.clone()
    for scale, steps, settled in zip(SCALES, POSE_STEPS, SETTLED, strict=True):
        active = torch.arange(unknowns.shape[-1], device=unknowns.device)
        damping = unknowns.new_full(active.shape, DAMPING)
        for _ in range(steps):
            now, aim = unknowns[:, active], target[..., active]
            posed = rig.pose(now)
            gradient, curvature, _ = _normal_equations(rig, now, posed, aim, scale)
            curvature.diagonal(dim1=1, dim2=2).add_(damping[active, None])
            factor = torch.linalg.cholesky_ex(curvature).L
            step = torch.cholesky_solve(gradient[..., None], factor)[..., 0].T
            moved = wrapped(now - step)
            before = cost(rig, now, posed, aim, scale)
            after = cost(rig, moved, rig.pose(moved), aim, scale)
            better = after <= before
            unknowns[:, active[better]] = moved[:, better]
            damping[active] *= torch.where(better, 0.1, 10.0)
            done = better & (before - after <= settled * before)
            active = active[~(done | (damping[active] > MOST_DAMPING))]
            if not len(active):
                break
    return unknowns


def settle_shape(
    rig_of: Callable[[Tensor], tuple[Rig, Callable[[Posed], Tensor]]],
    shape: Tensor,  # [K]
    unknowns: Tensor,  # [3 P + 3, T]
    target: Tensor,  # [17, 3, T]
    prior: Tensor,  # [K]
) -> Tensor:  # [K]
    """The shape of one person that, with a pose of its own in every frame, fits all frames best.

    The shape's unknowns couple all frames, the others only their own: each step eliminates the
    poses frame by frame and solves for the shape first (the Schur complement).

    Parameters
    ----------
    rig_of : callable
        Takes the shape's K unknowns; returns the rig, and a function that takes the posed rig
        and returns the derivative of the joints by the shape's unknowns, shape (T, 51, K).
    shape : Tensor
        First guess.
    unknowns : Tensor
        Poses that fit it.
    target : Tensor
    prior : Tensor
        Of the shape's unknowns: added to the cost times their square, in square metres.
    """
    rig, by_shape = rig_of(shape)
    for scale, steps, settled in zip(SCALES, SHAPE_STEPS, SETTLED, strict=True):
        damping = DAMPING
        for _ in range(steps):
            posed = rig.pose(unknowns)
            gradient, curvature, weighted = _normal_equations(rig, unknowns, posed, target, scale)
            curvature.diagonal(dim1=1, dim2=2).add_(damping)
            jacobian, miss, weight = weighted
            shaped = by_shape(posed) * weight
            coupling = jacobian.mT @ shaped  # [T, 3 P + 3, K]
            factor = torch.linalg.cholesky_ex(curvature).L
            solved = torch.cholesky_solve(torch.cat([gradient[..., None], coupling], 2), factor)
            gain, slope = solved[..., :1], solved[..., 1:]
            left = shaped.flatten(0, 1).T.double() @ shaped.flatten(0, 1).double()
            left -= (coupling.mT @ slope).double().sum(0)
            left.diagonal().add_(prior.double() + damping * len(target))
            right = (shaped.mT @ miss - coupling.mT @ gain).double().sum(0)[:, 0]
            right += prior.double() * shape.double()
            shape_step = torch.linalg.solve(left, right).to(shape.dtype)
            step = (gain[..., 0] - slope @ shape_step).T
            trial, moved = shape - shape_step, wrapped(unknowns - step)
            trial_rig, trial_by_shape = rig_of(trial)
            before = cost(rig, unknowns, posed, target, scale).sum() + (prior * shape**2).sum()
            after = cost(trial_rig, moved, trial_rig.pose(moved), target, scale).sum()
            after += (prior * trial**2).sum()
            if after > before:
                damping *= 10
                if damping > MOST_DAMPING:
                    break
                continue
            damping *= 0.1
            shape, unknowns, rig, by_shape = trial, moved, trial_rig, trial_by_shape
            if before - after <= settled * before:
                break
    return shape


def cost(
    rig: Rig,
    unknowns: Tensor,  # [3 P + 3, T]
    posed: Posed,
    target: Tensor,  # [17, 3, T]
    scale: float,
) -> Tensor:  # [T]
    """What is minimised, square metres."""
    square = (posed.joints - target).square().sum(1)
    return (square * _forgiveness(square, scale)).sum(0) + rig.unlikeliness(unknowns)


def wrapped(
    unknowns: Tensor,  # [3 P + 3, T]
) -> Tensor:  # [3 P + 3, T]
    """The same poses with the root turned by half a turn at most: it has no prior."""
    angle = torch.linalg.vector_norm(unknowns[:3], dim=0)
    turns = torch.round(angle / (2 * torch.pi))
    root = unknowns[:3] * (1 - 2 * torch.pi * turns / angle.clamp(min=1e-6))
    return torch.cat([root, unknowns[3:]])


def _forgiveness(square: Tensor, scale: float) -> Tensor:
    return 1 / (1 + square / scale**2)


def _normal_equations(
    rig: Rig,
    unknowns: Tensor,  # [3 P + 3, T]
    posed: Posed,
    target: Tensor,  # [17, 3, T]
    scale: float,
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Gradient (T, 3 P + 3) and curvature (T, 3 P + 3, 3 P + 3), and of what they are made.

    That is the weighted Jacobian (T, 51, 3 P + 3), the weighted miss and the weight (T, 51, 1).
    """
    away = posed.joints - target
    weight = _forgiveness(away.square().sum(1), scale)  # its square weighs the squares
    weight = weight.T.repeat_interleave(3, dim=1)[..., None]
    miss = away.flatten(0, 1).T[..., None] * weight
    jacobian = rig.jacobian(unknowns, posed) * weight
    gradient, curvature = rig.unlikeliness_derivatives(unknowns)
    gradient = gradient + (jacobian.mT @ miss)[..., 0]
    curvature = torch.baddbmm(curvature, jacobian.mT, jacobian)
    return gradient, curvature, (jacobian, miss, weight)
