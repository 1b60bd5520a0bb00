"""Ways to measure a network that papers agreed upon: which frames, which joints, which figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from torch import nn

from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.measuring.predictions import predict
from examples.hgn_pose.measuring.scores import SEVENTEEN, SIXTEEN, Scores, Summary, score
from examples.hgn_pose.measuring.text_table import aligned
from examples.hgn_pose.samples.preparing import PreparedData

HGN_STRIDE = 50
"""HGN's published code tests the frames number 0, 50, 100, ... of every take."""

SCENES = {
    "studio, green screen": ("TS1", "TS2"),
    "studio": ("TS3", "TS4"),
    "outdoor": ("TS5", "TS6"),
}
"""Test sequences of MPI-INF-3DHP by scene: GS, noGS and Outdoor of the paper's table 7."""


@dataclass(frozen=True)
class ProtocolOptions:
    """How a network is measured."""

    protocol: Literal["human36m", "hgn", "3dhp", "graphmlp"] = "human36m"
    """human36m: MPJPE, PA-MPJPE, N-MPJPE by action; hgn: the same on every 50th frame, as HGN's
    code; 3dhp: PCK and AUC as MPI-INF-3DHP's own evaluation; graphmlp: PCK and AUC as GraphMLP's
    code."""
    joints: Literal[17, 16] = 17
    """Joints of MPJPE and its kin: all of Human3.6M's, or all but the nose, as SemGCN counts."""
    flip_test: bool = False
    """Average every answer with the mirrored answer to the mirrored input. HGN's code does not."""

    def frames(self, data: DataOptions) -> DataOptions:
        """The data options with the test frames of the protocol.

        Raises
        ------
        ValueError
            When other test frames are asked for than the protocol names.
        """
        if self.protocol != "hgn":
            return data
        if data.test_every not in (None, HGN_STRIDE):
            raise ValueError(
                f"test_every = {data.test_every} contradicts the protocol hgn, which tests every "
                f"{HGN_STRIDE}th frame; leave it out or choose the protocol human36m"
            )
        return replace(data, test_every=HGN_STRIDE)

    def measure(self, model: nn.Module, prepared: PreparedData) -> Scores:
        """Run a network over the test frames and score it; all figures, whatever is printed."""
        predictions = predict(model, prepared.test, prepared.cameras, flip=self.flip_test)
        return score(predictions, SIXTEEN if self.joints == 16 else SEVENTEEN)

    def table(self, scores: Scores) -> str:
        """The protocol's figures as text, group by group."""
        if self.protocol in ("human36m", "hgn"):
            return _errors(scores)
        return _shares(scores, official=self.protocol == "3dhp")

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


HUMAN36M = ProtocolOptions()
"""Protocols #1 and #2 of Human3.6M, on every test frame."""

MIRRORED = ProtocolOptions(flip_test=True)
"""The same of answers that are averaged with the mirrored ones to mirrored inputs."""


def by_scene(per_subject: Mapping[str, Summary]) -> dict[str, Summary]:
    """Figures of the scenes of MPI-INF-3DHP's test set from those of its sequences.

    A sequence weighs by its frames. Scenes without a sequence are left out.

    Examples
    --------
    >>> from examples.hgn_pose.measuring.protocols import by_scene
    >>> from examples.hgn_pose.measuring.scores import Summary
    >>> long = Summary(300, 60.0, 50.0, 55.0, 90.0, 60.0, 92.0, 62.0)
    >>> short = Summary(100, 100.0, 90.0, 95.0, 70.0, 40.0, 72.0, 42.0)
    >>> scenes = by_scene({"TS1": long, "TS2": short})
    >>> list(scenes), scenes["studio, green screen"].pck
    (['studio, green screen'], 85.0)
    """
    scenes = {}
    for scene, sequences in SCENES.items():
        parts = [per_subject[name] for name in sequences if name in per_subject]
        if parts:
            scenes[scene] = Summary.pooled(parts)
    return scenes


def _errors(scores: Scores) -> str:
    rows = {**scores.per_action, "mean of the actions": scores.mean_over_actions, "all": scores}
    body = [
        [name, f"{s.samples:,}", f"{s.mpjpe:.1f}", f"{s.pa_mpjpe:.1f}", f"{s.n_mpjpe:.1f}"]
        for name, s in rows.items()
    ]
    meshes = "".join(
        f"\nMPVPE of the {nodes}-node mesh, mm: {error:.1f}"
        for nodes, error in scores.mpvpe.items()
    )
    head = ["millimetres", "samples", "MPJPE", "PA-MPJPE", "N-MPJPE"]
    return aligned(head, body) + meshes


def _shares(scores: Scores, official: bool) -> str:
    groups = {
        **scores.per_subject,
        **by_scene(scores.per_subject),
        **scores.per_action,
        "all": scores,
    }
    body = []
    for name, s in groups.items():
        pck, auc = (s.pck, s.auc) if official else (s.pck_every_joint, s.auc_every_joint)
        body.append([name, f"{s.samples:,}", f"{pck:.1f}", f"{auc:.1f}", f"{s.mpjpe:.1f}"])
    return aligned(["percent", "samples", "PCK 150 mm", "AUC", "MPJPE, mm"], body)
