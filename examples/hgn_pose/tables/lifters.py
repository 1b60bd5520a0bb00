"""Tables of networks that are all trained alike, by a recipe of one's choice."""

from __future__ import annotations

from dataclasses import replace

from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.tables.table import Entry, Table

COLUMNS = ("mpjpe", "pa_mpjpe", "mpjpe_mirrored", "pa_mpjpe_mirrored")

BODY_STREAMS = Entry("Body streams", NetworkOptions("body_streams"), 0.0)
JOINTS = Entry("joints alone", NetworkOptions("body_streams", clusters="none"))

LIFTER = Table(
    "lifter",
    "Networks that read depths off the rays of the joints",
    COLUMNS,
    (
        BODY_STREAMS,
        JOINTS,
        Entry("Transformer", NetworkOptions("transformer", dropout=0.1, head="ray")),
        Entry("MLP (SimpleBaseline)", NetworkOptions("mlp", dropout=0.1, head="ray")),
        Entry("GraFormer", NetworkOptions("graformer", head="ray")),
        Entry("SemGCN", NetworkOptions("semgcn", head="ray")),
        Entry("HGN", NetworkOptions("hgn", head="ray"), 0.0),
    ),
    source="",
)
"""The rivals."""

ABLATION = Table(
    "lifter-ablation",
    "What the body streams are worth",
    COLUMNS,
    (
        BODY_STREAMS,
        JOINTS,
        Entry("random clusters", NetworkOptions("body_streams", clusters="random"), 0.0),
        Entry("clusters of equal area", NetworkOptions("body_streams", clusters="area"), 0.0),
        Entry("fusion after the last stage", NetworkOptions("body_streams", fusion="last"), 0.0),
        Entry("coordinates, not rays", NetworkOptions("body_streams", head="xyz"), 0.0),
    ),
    source="",
)

CHOICES = Table(
    "lifter-choices",
    "What might be chosen; with --fold, by people of the training",
    COLUMNS,
    (
        BODY_STREAMS,
        JOINTS,
        replace(JOINTS, label="joints alone, swung by 10 degrees", augmentation={"swing": 10.0}),
        Entry("joints alone, wider", NetworkOptions("body_streams", 192, clusters="none")),
    ),
    source="",
)

LIFTER_CLIPS = Table(
    "lifter-clips",
    "Networks that are given a clip of 27 frames",
    COLUMNS,
    (
        Entry(
            "joints, every third frame", NetworkOptions("body_clips", clusters="none", spacing=3)
        ),
        Entry("joints, every frame", NetworkOptions("body_clips", clusters="none")),
        Entry(
            "joints and one body, every third frame", NetworkOptions("body_clips", spacing=3), 0.0
        ),
        Entry(
            "Temporal convolutions, every third frame",
            NetworkOptions("temporal_convolutions", head="ray", spacing=3),
        ),
    ),
    source="",
)
"""In batches of clips, all of which have as many frames."""
