"""
From keypoints to a body in space
=================================

A pose detector finds joints in a picture. A network over several graphs makes of them a skeleton
in space and a coarse mesh of the body, which has the levels of this library. Here with the weights
for real video that come with the example, on a clip whose truth is known. It runs from a clone
with the extra ``pose``.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import torch
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from examples.hgn_pose.body.skeleton import EDGES
from examples.hgn_pose.commands.predict import Predict
from examples.hgn_pose.lifting.filming import film, truth, write_keypoints
from examples.hgn_pose.measuring.metrics import mpjpe, pa_mpjpe

# %%
# A file of keypoints
# -------------------
#
# A detector would write it. Here a camera films a clip of the built-in motion, and the joints go
# into a file in the order of COCO, in pixels.

clip = film("walk", camera=0)
folder = TemporaryDirectory()
file = Path(folder.name) / "keypoints.json"
write_keypoints(file, clip, "coco17")
print(file.read_text()[:190], "...")

# %%
# Lift it
# -------
#
# In a terminal this is ``python -m examples.hgn_pose predict keypoints.json``, which also writes a
# page that you can turn. Other detectors' files are read as they are. The errors are in
# millimetres, over all joints and frames; the second is after the best rotation and size.

prediction = Predict(keypoints=file).predict(torch.device("cpu"))
folder.cleanup()
true = truth(clip)
print(f"MPJPE {mpjpe(prediction.pose, true.pose):.1f} mm")
print(f"PA-MPJPE {pa_mpjpe(prediction.pose, true.pose):.1f} mm")
for size, mesh in prediction.meshes.items():
    error = mpjpe(mesh.vertices, true.meshes[size].vertices)
    print(f"mesh of {size} nodes: {error:.1f} mm")

# %%
# What went in, and what came out
# -------------------------------
#
# Four frames: the joints in the picture; the skeleton in space, seen from the side, with the true
# one in grey; and the coarse mesh of 96 nodes. Arms and legs are so thin in it that they have
# edges and no faces.

SIDE = {"elev": 8, "azim": -50}


def in_space(points: np.ndarray) -> np.ndarray:
    """From the camera's axes (right, down, away) to those of a plot, whose third goes up."""
    turned: np.ndarray = points[..., [0, 2, 1]] * (1, 1, -1)
    return turned


frames = np.linspace(5, len(prediction) - 5, 4).astype(int)
figure = plt.figure(figsize=(11, 9), layout="constrained")
for column, frame in enumerate(frames, start=1):
    image = prediction.image[frame]
    flat = figure.add_subplot(3, 4, column)
    for bone in EDGES:
        flat.plot(*image[list(bone)].T, "o-", color="tab:blue", markersize=3)
    flat.set_title(f"frame {prediction.frame[frame]}")
    flat.invert_yaxis()
    flat.set_aspect("equal")
    flat.set_axis_off()

    space = figure.add_subplot(3, 4, column + 4, projection="3d", **SIDE)
    for pose, colour in ((true.pose, "0.7"), (prediction.pose, "tab:red")):
        for bone in EDGES:
            space.plot(*in_space(pose[frame][list(bone)]).T, color=colour, linewidth=2)

    body = figure.add_subplot(3, 4, column + 8, projection="3d", **SIDE)
    mesh = prediction.meshes[96]
    vertices = in_space(mesh.vertices[frame])
    body.add_collection3d(
        Poly3DCollection(vertices[mesh.faces], facecolors="tab:orange", alpha=0.5)
    )
    for edge in mesh.edges:
        body.plot(*vertices[edge].T, color="tab:brown", linewidth=0.8)
    body.scatter(*vertices.T, color="tab:orange", s=8, depthshade=False)
    for panel in (space, body):
        panel.set(xlim=(-0.9, 0.9), ylim=(-0.9, 0.9), zlim=(-0.9, 0.9))
        panel.set_box_aspect((1, 1, 1), zoom=1.5)
        panel.set_axis_off()

# %%
# What to read next
# -----------------
#
# - :doc:`/predict` has all detectors' files, video, and the way to Blender.
# - :doc:`/real-cameras` says how far to trust it on real video.
# - :doc:`/example` trains these networks.
