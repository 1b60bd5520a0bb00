"""HGN in plain PyTorch as its papers and their published code describe it, for comparison.

Every layer makes what its equation says: a masked N x N softmax a call, two products for a node and
for its neighbours, and for non-local blocks a tensor of all pairs, [B, C, N, N] (Zhao et al. 2019,
equations 2 and 3; Wang et al. 2018, section 3.2, "concatenation"; Li et al. 2021, equations 1 to
3). It takes the weights of a network of the example, and gives the same answers to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from examples.hgn_pose.network.architectures.hgn import HGN


class PublishedConvolution(nn.Module):
    """SemGConv: the softmax of a matrix that is -9e15 where there is no edge."""

    mask: Tensor

    def __init__(self, layer: Any) -> None:  # SemGConv
        super().__init__()
        n = layer.pattern.num_nodes
        rows, columns = layer.pattern.entries.rows, layer.pattern.entries.columns
        mask = torch.zeros(n, n, dtype=torch.bool)
        mask[rows, columns] = True
        self.register_buffer("mask", mask)
        self.weight, self.logits, self.bias = layer.weight, layer.logits, layer.bias

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        own, others = x @ self.weight[0], x @ self.weight[1]
        scores = -9e15 * torch.ones_like(self.mask, dtype=x.dtype)
        scores[self.mask] = self.logits
        matrix = scores.softmax(1)
        eye = torch.eye(len(matrix), dtype=x.dtype, device=x.device)
        y: Tensor = (matrix * eye) @ own + (matrix * (1 - eye)) @ others + self.bias
        return y


class PublishedBlock(nn.Module):
    """Convolution, batch normalisation over the channels, ReLU."""

    def __init__(self, block: Any) -> None:  # GraphConvBlock
        super().__init__()
        self.convolution = PublishedConvolution(block.convolution)
        self.norm = block.norm

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.convolution(x).transpose(1, 2)).transpose(1, 2)
        return y.relu()


class PublishedNonLocal(nn.Module):
    """Both features of every pair side by side, and a 1 x 1 convolution of them to a score."""

    def __init__(self, block: Any) -> None:  # NonLocal
        super().__init__()
        self.theta, self.phi, self.value = (
            _as_conv(layer) for layer in (block.theta, block.phi, block.value)
        )
        inner = block.score.shape[1]
        self.score = nn.Conv2d(2 * inner, 1, 1, bias=False)
        self.score.weight = nn.Parameter(block.score.detach().reshape(1, 2 * inner, 1, 1))
        self.output = _as_conv(block.output)
        self.norm = block.norm

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        x = x.transpose(1, 2)
        n = x.shape[2]
        theta = self.theta(x).unsqueeze(3).expand(-1, -1, -1, n)
        phi = self.phi(x).unsqueeze(2).expand(-1, -1, n, -1)
        scores = self.score(torch.cat([theta, phi], dim=1)).relu().squeeze(1) / n  # [B, N, N]
        attended = scores @ self.value(x).transpose(1, 2)
        y: Tensor = self.norm(self.output(attended.transpose(1, 2))) + x
        return y.transpose(1, 2)


class PublishedStageBlock(nn.Module):
    def __init__(self, block: Any) -> None:  # ResGConv
        super().__init__()
        self.first, self.second = PublishedBlock(block.first), PublishedBlock(block.second)
        self.non_local = PublishedNonLocal(block.non_local)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.non_local(x + self.second(self.first(x)))
        return y


class PublishedSum(nn.Module):
    """Convolutions whose channels are the nodes."""

    def __init__(self, scale_sum: Any) -> None:  # ScaleSum
        super().__init__()
        self.maps = nn.ModuleList(map(_as_conv, scale_sum.maps))

    def forward(self, sources: list[Tensor]) -> Tensor:
        sent = [made(x) for made, x in zip(self.maps, sources, strict=True)]
        return torch.stack(sent).sum(0)


class PublishedHGN(nn.Module):
    """The network with the weights of another one, with which it shares what it can.

    Parameters
    ----------
    network : HGN
        With ``SemGConv``, scales in parallel, and without dropout.
    """

    def __init__(self, network: HGN) -> None:
        super().__init__()
        self.stages, self.plan = network.stages, network.plan
        self.input = PublishedBlock(network.inputs["0"])
        blocks: Any = network.blocks
        self.blocks: Any = nn.ModuleList(
            nn.ModuleDict({key: PublishedStageBlock(block) for key, block in stage.items()})
            for stage in blocks
        )
        self.beginnings = nn.ModuleDict(
            {key: PublishedSum(made) for key, made in network.beginnings.items()}
        )
        self.fusions: Any = nn.ModuleList(map(_published_fusion, network.fusions))
        self.outputs = nn.ModuleDict(
            {key: PublishedConvolution(layer) for key, layer in network.outputs.items()}
        )

    def forward(
        self,
        x: Tensor,  # [B, 17, 2]
    ) -> tuple[Tensor, ...]:  # each [B, N_k, 3]
        features = {0: self.input(x)}
        for place, stage in enumerate(self.stages):
            begun = {
                k: self.beginnings[str(k)]([features[i] for i in sources])
                for k, sources in self.plan.beginnings[place].items()
            }
            features.update(begun)
            for k in stage:
                features[k] = self.blocks[place][str(k)](features[k])
            sums = self.fusions[place]
            sent = {
                key: made([features[i] for i in stage if str(i) != key])
                for key, made in sums.items()
            }
            for key, message in sent.items():
                features[int(key)] = features[int(key)] + message
        return tuple(output(features[int(key)]) for key, output in self.outputs.items())


def _published_fusion(fusion: Any) -> nn.ModuleDict:
    return nn.ModuleDict({key: PublishedSum(made) for key, made in fusion.sums.items()})


def _as_conv(linear: Any) -> nn.Conv1d:
    conv = nn.Conv1d(linear.in_features, linear.out_features, 1)
    conv.weight = nn.Parameter(linear.weight.detach().unsqueeze(2))
    conv.bias = linear.bias
    return conv
