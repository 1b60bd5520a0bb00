"""What a pose network must beat: the mean of the training poses, and the best linear map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.samples.augmentation import Augmentation
from examples.hgn_pose.samples.sample_set import SampleSet


class LinearMap(nn.Module):
    """An affine map from 2D joints to all targets, the mean being the one that ignores its input.

    Parameters
    ----------
    matrix : Tensor, shape (34 + 1, 3 N), float32
        From the flattened 2D joints and a one to the targets of all N nodes.
    nodes : tuple of int
        Nodes of the pose and of each mesh; they sum up to N.
    """

    matrix: Tensor

    def __init__(self, matrix: Tensor, nodes: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)
        self.nodes = nodes

    def forward(
        self,
        image: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor, ...]:  # each [B, N_k, 3]
        """Apply the map."""
        targets = _with_one(image) @ self.matrix
        return targets.unflatten(1, (-1, 3)).split(self.nodes, dim=1)


def fit_baselines(
    samples: SampleSet,
    cameras: Cameras,
    augmentation: Augmentation,
    seed: int = 0,
    rounds: int = 5,
    ridge: float = 1e-6,
) -> tuple[LinearMap, LinearMap]:
    """Fit the mean pose and the linear least squares map to what a network is trained on.

    Parameters
    ----------
    samples, cameras
        Training frames, of which each is seen alone.
    augmentation : Augmentation
        The training's.
    seed : int
        Of the augmentation.
    rounds : int
        How often each frame is varied and shown to every camera.
    ridge : float
        Tikhonov term as a fraction of the mean squared input.

    Returns
    -------
    mean, linear : LinearMap
        Both answer with the pose and all meshes that ``samples`` has, in metres.
    """
    samples = samples.single
    device = samples.device
    views = samples.views(cameras)
    generator = torch.Generator().manual_seed(seed)
    everything = torch.arange(len(samples) * views, device=device)
    nodes = (samples.positions.shape[1], *(mesh.shape[1] for mesh in samples.meshes))
    width = 2 * nodes[0] + 1
    gram = torch.zeros(width, width, dtype=torch.float64, device=device)
    moment = torch.zeros(width, 3 * sum(nodes), dtype=torch.float64, device=device)
    for _ in range(rounds):
        for chosen in everything.split(4096):
            variation = augmentation.draw(len(chosen), generator).to(device)
            batch = samples.batch(cameras, chosen // views, chosen % views, variation)
            inputs = _with_one(batch.image).double()
            targets = torch.cat([batch.pose, *batch.meshes], dim=1).flatten(1).double()
            gram += inputs.T @ inputs
            moment += inputs.T @ targets
    mean = torch.zeros_like(moment)
    mean[-1] = moment[-1] / gram[-1, -1]
    damping = ridge * gram.diagonal().mean() * torch.eye(width, dtype=torch.float64, device=device)
    linear = torch.linalg.solve(gram + damping, moment)
    return LinearMap(mean.float(), nodes), LinearMap(linear.float(), nodes)


def _with_one(image: Tensor) -> Tensor:  # [B, 35]
    flat = image.flatten(1)
    return torch.cat([flat, torch.ones_like(flat[:, :1])], dim=1)
