"""Write the page of a prediction, with the truth beside it where it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.files.writing import write_bytes
from examples.hgn_pose.lifting import page, prediction
from examples.hgn_pose.lifting.prediction import Prediction


def matching(truth: Prediction, result: Prediction) -> Prediction:
    """The true poses of the frames of a prediction.

    Raises
    ------
    ValueError
        Naming the first frame that the truth lacks.
    """
    missing = np.setdiff1d(result.frame, truth.frame)
    if len(missing):
        raise ValueError(f"truth has no frame {missing[0]}; give the truth of the same clip")
    return prediction.select(truth, np.searchsorted(truth.frame, result.frame))


def show(
    result: Prediction, truth: Prediction | None, path: Path, frames: int, body: BodyModel
) -> None:
    """Write the page of a prediction, with a body that is fitted to it."""
    html = page.render(result, truth, frames, body)
    write_bytes(path, html.encode())
    print(f"open {path}  ({len(html) / 1e6:.1f} MB)")
