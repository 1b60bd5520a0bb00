"""MP4 and GIF: the clip in 3D beside what the camera saw."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.lifting.gaps import SEEN
from examples.hgn_pose.lifting.outputs.body_clip import BodyClip
from examples.hgn_pose.lifting.outputs.drawn_body import drawn_body
from examples.hgn_pose.lifting.outputs.shading import shades

NEEDED = "needs imageio-ffmpeg: pip install 'multiscale-gcn[video]'"
INCHES, DPI = (9.6, 5.4), 100
COLOURS = {"R": "#1f5fbf", "L": "#e07a1f"}
MIDDLE = "#57606a"
TURN, TILT = np.radians(-30), np.radians(12)
"""From where the 3D scene is seen: to the side of the camera, and above it."""


def mp4(clip: BodyClip) -> bytes:
    """H.264, which browsers and programs for slides play.

    Raises
    ------
    ValueError
        If imageio-ffmpeg is not installed.
    """
    try:
        from imageio_ffmpeg import write_frames
    except ModuleNotFoundError as error:
        raise ValueError(f"an MP4 file {NEEDED}, or write a .gif") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        size = tuple(round(side * DPI) for side in INCHES)
        writer = write_frames(str(path), size, fps=_rate(clip), quality=7, macro_block_size=4)
        writer.send(None)
        for picture in pictures(clip):
            writer.send(picture.tobytes())
        writer.close()
        return path.read_bytes()


def gif(clip: BodyClip) -> bytes:
    """Frames last a multiple of 10 ms, as GIF has it."""
    frames = [Image.fromarray(picture).quantize(64) for picture in pictures(clip)]
    file = io.BytesIO()
    last = max(20, 10 * round(100 / _rate(clip)))
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], duration=last, loop=0, optimize=False
    )
    return file.getvalue()


def _rate(clip: BodyClip) -> float:
    if len(clip) < 2:
        return clip.prediction.fps
    return 1 / float(np.median(np.diff(clip.seconds)))


def pictures(clip: BodyClip) -> Iterator[np.ndarray]:
    """A picture a frame, array of uint8, shape (540, 960, 3)."""
    drawn = drawn_body(clip.body)
    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.92, wspace=0.02)
    image = clip.prediction.image.astype(np.float64)
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    margin = 0.08 * float((high - low).max())
    left.set(xlim=(low[0] - margin, high[0] + margin), ylim=(high[1] + margin, low[1] - margin))
    left.set_title("what the camera saw", fontsize=10)
    bones = LineCollection([], linewidths=3, colors=_bone_colours(), capstyle="round")
    left.add_collection(bones)
    (seen,) = left.plot([], [], "o", color="#24292f", markersize=4)
    (filled,) = left.plot([], [], "o", mfc="white", mec="#24292f", markersize=5)
    right.set_title("the body in 3D, from the side", fontsize=10)
    floor = list(_floor(clip.joints))
    right.add_collection(LineCollection(floor, colors="#d8dee4", linewidths=0.8, zorder=0))
    everything = _flat(clip.joints.reshape(-1, 3))
    low, high = everything.min(axis=0) - 0.25, everything.max(axis=0) + 0.25
    right.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    skin = PolyCollection([], edgecolors="face", linewidths=0.3)
    right.add_collection(skin)
    for axes in (left, right):
        axes.set_aspect("equal")
        axes.set_axis_off()
    for t in range(len(clip)):
        bones.set_segments(list(image[t][np.array(EDGES)]))
        known = clip.prediction.origin[t] == SEEN
        seen.set_data(*image[t, known].T)
        filled.set_data(*image[t, ~known].T)
        [vertices] = drawn.posed(clip.body, clip.poses.select(slice(t, t + 1)))
        _draw_skin(skin, vertices, drawn.faces)
        canvas.draw()
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_skin(skin: PolyCollection, vertices: np.ndarray, faces: np.ndarray) -> None:
    """The faces that look at the camera, the farthest first."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    towards = normals @ _VIEW[2] < 0
    depth = corners.mean(axis=1) @ _VIEW[2]
    order = np.flatnonzero(towards)
    order = order[np.argsort(-depth[order])]
    skin.set_verts(list(_flat(corners[order])))
    skin.set_facecolor(shades(normals[order]).tolist())


def _view() -> np.ndarray:
    """Rows: to the right, up, and away from the viewer."""
    away = np.array([np.sin(-TURN) * np.cos(TILT), np.cos(TURN) * np.cos(TILT), -np.sin(TILT)])
    right = np.cross(away, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(right, away), away])


_VIEW = _view()


def _flat(points: np.ndarray) -> np.ndarray:  # [..., 2]
    return points @ _VIEW[:2].T


def _floor(joints: np.ndarray) -> np.ndarray:  # [L, 2, 2]
    """A grid of half metres under the clip."""
    low = np.floor((joints[..., :2].min(axis=(0, 1)) - 0.3) * 2) / 2
    high = np.ceil((joints[..., :2].max(axis=(0, 1)) + 0.3) * 2) / 2
    xs, ys = (np.arange(a, b + 0.25, 0.5) for a, b in zip(low, high, strict=True))
    lines = [[(x, ys[0], 0.0), (x, ys[-1], 0.0)] for x in xs]
    lines += [[(xs[0], y, 0.0), (xs[-1], y, 0.0)] for y in ys]
    return _flat(np.array(lines))


def _bone_colours() -> list[str]:
    return [COLOURS.get(JOINTS[end].partition("_")[0], MIDDLE) for _, end in EDGES]
