"""The sample command: a file of 2D joints to try predict with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from examples.hgn_pose.lifting import filming, prediction
from examples.hgn_pose.lifting.reading import ConventionName


@dataclass(frozen=True)
class Sample:
    """Write a file of 2D joints as a detector would, from the built-in motion, to try predict."""

    out: Path = Path("runs/sample/keypoints.json")
    """File to write: .json, .csv or .npz; the true poses go beside it, to truth.npz."""
    clip: str = "walk"
    """Name of a built-in clip."""
    convention: ConventionName = "coco17"
    """Which joints to write."""
    camera: int = 0
    """Which of the four cameras sees the clip."""

    def run(self) -> None:
        clip = filming.film(self.clip, self.camera)
        filming.write_keypoints(self.out, clip, self.convention)
        truth = self.out.with_name("truth.npz")
        prediction.save(truth, filming.truth(clip))
        print(f"wrote {self.out} and {truth}: {len(clip.frame)} frames of {self.clip}")
