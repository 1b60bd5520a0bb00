"""A table: networks to train, beside what a paper printed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from examples.hgn_pose.network.building import USUAL_SHARING, NetworkOptions
from examples.hgn_pose.network.registry import ARCHITECTURES

FIGURES = {
    "mpjpe": "MPJPE, mm",
    "pa_mpjpe": "PA-MPJPE, mm",
    "mpvpe_96": "MPVPE 96, mm",
    "mpvpe_48": "MPVPE 48, mm",
}
"""What columns are called."""


@dataclass(frozen=True)
class Entry:
    """A line of a table: one network, trained in one way."""

    label: str
    network: NetworkOptions
    lambda_mesh: float = 0.01
    """Weight of the coarse meshes' term; it means nothing to networks without."""
    paper: Mapping[str, float] = field(default_factory=dict)
    """Figures that the paper prints, by the names of FIGURES, and ``parameters`` in millions."""

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
        if network.without != "none":
            parts.append(f"without{network.without}")
        if network.dropout is not None:
            parts.append(f"dropout{network.dropout:g}")
        if network.has_meshes:
            parts.append(f"mesh{self.lambda_mesh:g}")
        return "-".join(parts)


@dataclass(frozen=True)
class Table:
    """What is compared."""

    name: str
    """For the command line."""
    title: str
    columns: tuple[str, ...]
    """Of FIGURES, those that are shown."""
    entries: tuple[Entry, ...]
    source: str = "Li et al. 2021, Human3.6M with ground-truth 2D"
    """Where the printed figures come from."""
