"""The network's input: where in the image, and how large, it sees a person."""

from __future__ import annotations

from typing import Literal

import numpy as np

from examples.hgn_pose.body.skeleton import EDGES
from examples.hgn_pose.lifting.mapping import Trunk

Framing = Literal["person", "image"]


def bone_length(
    joints: np.ndarray,  # [T, 17, 2]
) -> np.ndarray:  # [T]
    """Length of all bones together, as the image shows them."""
    a, b = np.array(EDGES).T
    return np.linalg.norm(joints[:, a] - joints[:, b], axis=2).sum(axis=1)


def frame(
    joints: np.ndarray,  # [T, 17, 2] pixels
    image_size: tuple[int, int],
    framing: Framing,
    trunk: Trunk,
) -> np.ndarray:  # [T, 17, 2] float32
    """Pixels to the network's input.

    ``image`` is ``x / w * 2 - [1, h / w]``, as the network was trained. The size of the person in
    the image then says how far away they are, so it is right only for a camera like those of the
    training: a lens of about the same width, about five metres away.

    ``person`` moves and scales every frame so that the person stands where people stood in the
    training, and is as large: the pelvis in one place, and the bones together of one length. It
    does not depend on the lens or the distance.

    Raises
    ------
    ValueError
        When all joints of a frame lie in one point.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.framing import frame
    >>> from examples.hgn_pose.lifting.mapping import HUMAN36M_TRUNK
    >>> joints = np.random.default_rng(0).uniform(100, 400, (1, 17, 2))
    >>> once = frame(joints, (640, 480), "person", HUMAN36M_TRUNK)
    >>> again = frame(3 * joints + 50, (640, 480), "person", HUMAN36M_TRUNK)
    >>> bool(np.allclose(once, again, atol=1e-6))
    True
    """
    return frame_clips(joints[:, None], image_size, framing, trunk)[:, 0]


def frame_clips(
    clips: np.ndarray,  # [F, T, 17, 2] pixels
    image_size: tuple[int, int],
    framing: Framing,
    trunk: Trunk,
) -> np.ndarray:  # [F, T, 17, 2] float32
    """The same of clips of T frames, T odd: each is moved and scaled as its middle frame asks for.

    So what moves in the image moves in the clip too.

    Raises
    ------
    ValueError
        When all joints of a frame in the middle lie in one point.
    """
    if framing == "image":
        width, height = image_size
        return (clips / width * 2 - [1, height / width]).astype(np.float32)
    middle = clips[:, clips.shape[1] // 2]
    length = bone_length(middle)
    empty = np.flatnonzero(~(length > 0))
    if len(empty):
        raise ValueError(
            f"all joints of frame {empty[0]} lie in one point; drop the frame or detect again"
        )
    moved = (clips - middle[:, None, :1]) * (trunk.bones / length)[:, None, None, None]
    return (moved + np.array([0, trunk.pelvis])).astype(np.float32)
