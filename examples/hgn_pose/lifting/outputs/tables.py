"""Joint positions as tables: TRC for OpenSim and its kin, CSV for everything else."""

from __future__ import annotations

import csv
import io

import numpy as np

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.lifting.outputs.body_clip import Y_UP, BodyClip


def trc(clip: BodyClip) -> bytes:
    """The 17 joints as markers, y up, metres."""
    rate = _rate(clip)
    frames, markers = len(clip), len(JOINTS)
    head = [
        "PathFileType\t4\t(X/Y/Z)\tclip.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        "\tOrigNumFrames",
        f"{rate:.6g}\t{rate:.6g}\t{frames}\t{markers}\tm\t{rate:.6g}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(JOINTS) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{n}" for n in range(1, markers + 1) for axis in "XYZ"),
        "",
    ]
    rows = [
        f"{number}\t{second:.6f}\t" + "\t".join(f"{value:.6f}" for value in places.ravel())
        for number, (second, places) in enumerate(
            zip(clip.seconds, clip.joints @ Y_UP.T, strict=True), start=1
        )
    ]
    return ("\n".join([*head, *rows]) + "\n").encode()


def table(clip: BodyClip) -> bytes:
    """A row a frame: its number, its time, and the 17 joints, z up, metres."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["frame", "seconds", *(f"{name}_{axis}" for name in JOINTS for axis in "xyz")])
    rows = zip(clip.prediction.frame, clip.seconds, clip.joints, strict=True)
    for number, second, places in rows:
        writer.writerow(
            [int(number), f"{second:.6f}", *(f"{value:.6f}" for value in places.ravel())]
        )
    return text.getvalue().encode()


def _rate(clip: BodyClip) -> float:
    """Frames of the file a second."""
    if len(clip) < 2:
        return clip.prediction.fps
    return 1 / float(np.median(np.diff(clip.seconds)))
