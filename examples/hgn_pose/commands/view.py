"""The view command: the page of a prediction that was made before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.commands.prediction_page import matching, show
from examples.hgn_pose.lifting import prediction


@dataclass(frozen=True)
class View:
    """Make the page of a prediction, or of true poses, that predict or sample wrote."""

    prediction: Annotated[Path, tyro.conf.Positional]
    """An npz file that predict or sample wrote."""
    truth: Path | None = None
    """Another one with the true poses of the same frames, to show beside it."""
    out: Path | None = None
    """HTML file to write; by default beside the prediction."""
    page_frames: int = 1000
    """Frames that the page shows at most; of longer clips it shows every n-th."""

    def run(self) -> None:
        result = prediction.load(self.prediction)
        truth = None if self.truth is None else matching(prediction.load(self.truth), result)
        show(
            result,
            truth,
            self.out or self.prediction.with_suffix(".html"),
            self.page_frames,
            load_body(),
        )
