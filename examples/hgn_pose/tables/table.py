"""A table: networks to train, beside what a paper printed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from examples.hgn_pose.network.building import USUAL_SHARING, NetworkOptions
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.training.options import LossReduction

FIGURES = {
    "mpjpe": "MPJPE, mm",
    "pa_mpjpe": "PA-MPJPE, mm",
    "mpjpe_mirrored": "mirrored pass, MPJPE, mm",
    "pa_mpjpe_mirrored": "mirrored pass, PA-MPJPE, mm",
    "mpvpe_96": "MPVPE 96, mm",
    "mpvpe_48": "MPVPE 48, mm",
    "pck": "PCK, all",
    "auc": "AUC, all",
}
"""What columns are called."""


def title_of(figure: str) -> str:
    """What a column is called; one of a single action or scene after that.

    Examples
    --------
    >>> title_of("mpjpe"), title_of("mpjpe:Photo"), title_of("pck:outdoor")
    ('MPJPE, mm', 'Photo', 'outdoor')
    """
    _, _, part = figure.partition(":")
    return part or FIGURES[figure]


@dataclass(frozen=True)
class Entry:
    """A line of a table: one network, trained in one way."""

    label: str
    network: NetworkOptions
    lambda_mesh: float | None = 0.01
    """Weight of the coarse meshes' term; it means nothing to networks without. None: the default
    of the loss."""
    paper: Mapping[str, float] = field(default_factory=dict)
    """Figures that the paper prints, by the names of FIGURES, and ``parameters`` in millions."""

    loss_reduction: LossReduction | None = None
    """None: that of the other lines."""
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    """What is other than in the other lines, by the names of ``Augmentation``."""

    @property
    def folder(self) -> str:
        """A name for its runs, the same in every table.

        Examples
        --------
        >>> Entry("HGN", NetworkOptions(channels=79, without="96"), 0.0).folder
        'hgn-79-without96-mesh0'
        """
        network = self.network
        parts = [network.network, str(network.width)]
        for name, usual in (("conv", "sem"), ("fusion_order", "parallel"), ("init", "by_matrix")):
            if getattr(network, name) != usual:
                parts.append(str(getattr(network, name)))
        if ARCHITECTURES[network.network].takes_non_local:
            parts.append(f"nonlocal_{network.non_local}")
        if network.sharing != USUAL_SHARING:
            parts.append(f"sharing_{network.sharing}")
        if ARCHITECTURES[network.network].frames != (1,):
            parts.append(f"frames{network.window}")
        if network.spacing != 1:
            parts.append(f"spacing{network.spacing}")
        if network.without != "none":
            parts.append(f"without{network.without}")
        if network.clusters != "heavy_edge":
            parts.append(f"clusters_{network.clusters}")
        if network.clusters in ("random", "scattered"):
            parts.append(str(network.clusters_seed))
        if network.padding != "none":
            parts.append("padded")
        if network.fusion != "every":
            parts.append(f"fusion_{network.fusion}")
        if network.head is not None:
            parts.append(network.head)
        if network.dropout is not None:
            parts.append(f"dropout{network.dropout:g}")
        if network.has_meshes:
            weight = "" if self.lambda_mesh is None else f"{self.lambda_mesh:g}"
            parts.append(f"mesh{weight}")
        if self.loss_reduction is not None:
            parts.append(f"loss_{self.loss_reduction}")
        parts += [f"{name}{value:g}" for name, value in self.augmentation.items()]
        return "-".join(parts)


@dataclass(frozen=True)
class Table:
    """What is compared."""

    name: str
    """For the command line."""
    title: str
    columns: tuple[str, ...]
    """Of FIGURES, those that are shown; ``mpjpe:Photo`` and the like are of one action or scene."""
    entries: tuple[Entry, ...]
    source: str = "Li et al. 2021, Human3.6M with ground-truth 2D"
    """Where the printed figures come from."""
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What the paper prints of networks that are not trained here; then its figures have lines of
    their own, and no columns."""
    data: tuple[str, ...] = ()
    """Data sets that it is made of; empty: any."""
    measured_on: str = ""
    """Another data set that networks are measured on; empty: that of the training."""
    drawn: str = ""
    """The figure of the picture; empty: the first column."""
