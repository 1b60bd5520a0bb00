"""One HTML file that shows a prediction in 3D and over time; it needs no network."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.kinematics import bone_transforms
from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.files.templates import filled
from examples.hgn_pose.lifting.outputs.body_clip import with_body
from examples.hgn_pose.lifting.outputs.drawn_body import drawn_body
from examples.hgn_pose.lifting.prediction import Prediction, select
from examples.hgn_pose.measuring.metrics import distances

STEP = 1e-4
"""Metres; the page keeps 3D coordinates as 16-bit multiples of it, so up to 3.27 m."""

TEMPLATE = Path(__file__).with_name("page.html")
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
_POLICY += "style-src 'unsafe-inline'; img-src data: blob:; worker-src blob:"


def render(
    prediction: Prediction, truth: Prediction | None, max_frames: int, body: BodyModel | None
) -> str:
    """The page of a prediction.

    The 2D joints stand on the left, as the image has them: y points down. Beside them stands the
    predicted pose with a body that is fitted to it and its coarse meshes, z up, and the true one if
    it is known. A slider and a button move through time.

    Parameters
    ----------
    prediction : Prediction
    truth : Prediction, optional
        The true poses of the same frames.
    max_frames : int
        Of longer clips every n-th frame is shown, with the least n for which the page has no more
        than this.
    body : BodyModel, optional
        Fitted to every frame that is shown; the page poses it by linear blend skinning. None: the
        coarse meshes alone are shown.

    Returns
    -------
    str
        A whole HTML document, with plotly.js inside, that needs no other file and no network.

    Raises
    ------
    ValueError
        If the two differ in their frames, max_frames is below 1, or a coordinate exceeds 3.27 m.
    """
    if max_frames < 1:
        raise ValueError(f"page_frames must be at least 1, got {max_frames}")
    if truth is not None and not np.array_equal(truth.frame, prediction.frame):
        raise ValueError("truth has other frames than the prediction; select the same")
    every = -(-len(prediction) // max_frames)
    rows = np.arange(0, len(prediction), every)
    shown = select(prediction, rows)
    true = None if truth is None else select(truth, rows)
    content = json.dumps(_content(shown, true, body), allow_nan=False).replace("<", "\\u003c")
    return filled(
        TEMPLATE,
        policy=_POLICY,
        plotly=Markup(get_plotlyjs()),
        content=Markup(content),
        frames=len(shown),
        every=every,
        compared=true is not None,
        meshes=list(shown.meshes),
        body=body is not None,
        facts={name.replace("_", " "): _told(value) for name, value in shown.facts.items()},
    )


def _content(shown: Prediction, true: Prediction | None, body: BodyModel | None) -> dict[str, Any]:
    people = [("predicted", shown)] + ([] if true is None else [("true", true)])
    sizes = [n for n in shown.meshes if true is None or n in true.meshes]
    scene = np.concatenate([_scene(person, sizes) for _, person in people])
    low, high = scene.min(axis=0) - 0.1, scene.max(axis=0) + 0.1
    drawn = None if body is None else drawn_body(body)
    return {
        "names": [name.replace("_", " ") for name in JOINTS],
        "sides": [{"L_": "left", "R_": "right"}.get(name[:2], "middle") for name in JOINTS],
        "edges": EDGES,
        "frames": shown.frame.tolist(),
        "seconds": _seconds(shown),
        "size": shown.image_size,
        "crop": _crop(shown),
        "image": _packed(shown.image.astype("<f4")),
        "origin": _packed(shown.origin.astype("u1")),
        "meshes": [
            {
                "nodes": size,
                "edges": shown.meshes[size].edges.tolist(),
                "faces": shown.meshes[size].faces.tolist(),
            }
            for size in sizes
        ],
        "skin": None
        if drawn is None
        else {
            "faces": _packed(drawn.faces.astype("<u2")),
            "bones": _packed(drawn.bones.astype("u1")),
            "weights": _packed(drawn.weights.astype("<f4")),
        },
        "people": [
            {
                "id": name,
                "body": None if body is None else _posed_body(body, person),
                "pose": _packed(_steps(person.pose)),
                "meshes": [_packed(_steps(person.meshes[size].vertices)) for size in sizes],
            }
            for name, person in people
        ],
        "reach": {"low": low.tolist(), "high": high.tolist()},
        "errors": None if true is None else _errors(shown, true).round(2).tolist(),
    }


def _posed_body(body: BodyModel, person: Prediction) -> dict[str, str]:
    """The drawn vertices at rest, and the affine map of every bone in every frame.

    In the page's scene, where the pelvis of the pose is the origin.
    """
    clip = with_body(body, replace(person, root=None, facts={}))
    shape = clip.poses.shape(body, 0)
    maps = bone_transforms(body, shape.heads[None], clip.poses).numpy().transpose(3, 0, 1, 2)
    maps[..., 3] -= clip.joints[:, None, 0]
    return {
        "rest": _packed(shape.vertices[drawn_body(body).vertices].astype("<f4")),
        "maps": _packed(maps.astype("<f4")),
    }


def _scene(person: Prediction, sizes: list[int]) -> np.ndarray:  # [*, 3] x, depth, up
    points = [person.pose, *(person.meshes[size].vertices for size in sizes)]
    flat = np.concatenate([part.reshape(-1, 3) for part in points])
    return flat[:, [0, 2, 1]] * [1, 1, -1]


def _errors(shown: Prediction, true: Prediction) -> np.ndarray:  # [T] mm
    return distances(shown.pose, true.pose).mean(axis=1)


def _seconds(shown: Prediction) -> list[float]:
    """Time of every frame, from the first one; a file of every fifth frame runs as fast."""
    return ((shown.frame - shown.frame[0]) / shown.fps).round(4).tolist()


def _crop(shown: Prediction) -> list[float]:
    """Left, top, right and bottom of the part of the image where the person is."""
    points = shown.image.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * float((high - low).max())
    return [*(low - margin).tolist(), *(high + margin).tolist()]


def _steps(points: np.ndarray) -> np.ndarray:
    steps = np.round(points / STEP)
    if not (np.abs(steps) < 2**15).all():
        raise ValueError(
            f"a point lies {np.abs(points).max():.2f} m from the pelvis, which no body does; the "
            "weights do not fit the input"
        )
    return steps.astype("<i2")


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _told(value: object) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "; ".join(value)
    return str(value)
