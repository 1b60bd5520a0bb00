"""The build-cmu17 command: a cmu17.npz from CMU's motion capture files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from examples.hgn_pose.datasets.cmu17_from_mocap import (
    CMU_UNIT,
    FPS,
    GIVEN_THORAX,
    build,
    read_actions,
)
from examples.hgn_pose.files.archives import write_npz


@dataclass(frozen=True)
class BuildCmu17:
    """Make a cmu17.npz from CMU's ASF/AMC files, or from BVH files that were made of them."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder, searched through, of files named PERFORMER_TAKE.amc with PERFORMER.asf beside them,
    or PERFORMER_TAKE.bvh."""
    out: Path = Path("cmu17.npz")
    """File to write."""
    fps: float = 120.0
    """Frames per second of the AMC files, which do not say it."""
    bvh_unit: float = CMU_UNIT
    """Metres in one unit of the BVH files."""
    thorax: float | None = None
    """Metres of the thorax in BVH files that lost it, as in MotionBuilder's conversion; by default
    as long as the bone below it."""
    actions: Path | None = None
    """CSV file with lines CLIP,ACTION, such as 07_01,walk; other clips are called unknown."""

    def run(self) -> None:
        arrays, dropped = build(
            self.folder,
            self.fps,
            self.bvh_unit,
            read_actions(self.actions),
            thorax=self.thorax,
            progress=True,
        )
        write_npz(self.out, arrays)
        print(
            f"wrote {self.out}: {len(arrays['positions_3d']):,} frames in "
            f"{len(arrays['clip_name'])} clips of {len(np.unique(arrays['clip_subject']))} "
            f"performers at {FPS} Hz; {dropped:,} frames dropped where joints flip over"
        )
        given = sum(GIVEN_THORAX in str(source) for source in arrays["clip_source"])
        if given:
            how = "as long as the bone below it" if self.thorax is None else f"{self.thorax:g} m"
            print(f"in {given} clips the thorax had no length and was made {how}")
