"""The two terms of the paper's equation 4."""

from __future__ import annotations

import torch
from torch import Tensor

from examples.hgn_pose.samples.batches import Batch
from examples.hgn_pose.training.options import LossReduction


def pose_loss(
    outputs: tuple[Tensor, ...],
    batch: Batch,
    reduction: LossReduction,
) -> tuple[Tensor, Tensor]:
    """The two terms of the paper's equation 4, before their weights.

    Each term is the squared distance in square metres, summed (or averaged) over the nodes of a
    graph, and averaged over the samples of the batch. "published" averages over x, y and z too,
    as the published code does. "distance" averages the distances themselves over the nodes, in
    metres: it is the error that is measured. The second adds up the coarse meshes;
    samples whose body fit is poor count there as zero.

    Parameters
    ----------
    outputs : tuple of Tensor
        The pose, shape (B, 17, 3), or those of all frames of a clip, (B, T, 17, 3), which then
        count alike; and possibly one mesh for each of the batch's.
    batch : Batch
        The targets.
    reduction : {"sum", "mean", "published", "distance"}
        Over the nodes.

    Returns
    -------
    pose, mesh : Tensor
        Scalars; the second is zero for a network without meshes.

    Raises
    ------
    ValueError
        When the network answers with another number of meshes than the batch has.
    """
    found, true = outputs[0], batch.pose
    if batch.poses is not None and found.dim() > true.dim():
        found, true = found.flatten(0, 1), batch.poses.flatten(0, 1)
    pose = _per_sample(found, true, reduction).mean()
    mesh = torch.zeros_like(pose)
    if len(outputs) > 1:
        if len(batch.meshes) != len(outputs) - 1:
            raise ValueError(
                f"the network answers with {len(outputs) - 1} meshes, the samples have "
                f"{len(batch.meshes)}; give it mesh targets or train with lambda_mesh = 0"
            )
        for predicted, true in zip(outputs[1:], batch.meshes, strict=True):
            mesh = mesh + (_per_sample(predicted, true, reduction) * batch.fitted).mean()
    return pose, mesh


def _per_sample(predicted: Tensor, true: Tensor, reduction: LossReduction) -> Tensor:  # [B]
    if reduction == "published":
        return (predicted - true).square().mean(dim=(1, 2))
    if reduction == "distance":
        return torch.linalg.vector_norm(predicted - true, dim=2).mean(dim=1)
    squared = (predicted - true).square().sum(dim=2)
    return squared.sum(dim=1) if reduction == "sum" else squared.mean(dim=1)
