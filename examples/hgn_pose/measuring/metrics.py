"""Errors of predicted poses and meshes, in millimetres.

Points come in metres. MPJPE and MPVPE are the mean distance between predicted and true joints or
vertices, both relative to the root joint (protocol #1 of Human3.6M). PA-MPJPE is the same after
the best rotation, translation and scale of every single pose (protocol #2). N-MPJPE, sometimes
called protocol #3, is the same after the best scale alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MILLIMETRES = 1000.0


def distances(
    predicted: NDArray[np.floating],  # [F, N, 3] metres
    true: NDArray[np.floating],  # [F, N, 3] metres
) -> NDArray[np.float64]:  # [F, N] millimetres
    """Distance of every predicted point from its true place.

    Parameters
    ----------
    predicted, true : array of float, shape (F, N, 3)
        Points in metres.

    Returns
    -------
    array of float64, shape (F, N)
        Millimetres.

    Raises
    ------
    ValueError
        When the shapes differ or are not (F, N, 3), or when a coordinate is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.measuring.metrics import distances
    >>> distances(np.zeros((1, 2, 3)), np.array([[[0.3, 0.0, 0.4], [0.0, 0.0, 0.001]]]))
    array([[500.,   1.]])
    """
    predicted, true = _checked(predicted, true)
    return np.linalg.norm(predicted - true, axis=-1) * MILLIMETRES


def mpjpe(predicted: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Mean per joint position error, millimetres; of mesh vertices it is called MPVPE.

    Parameters
    ----------
    predicted, true : array of float, shape (F, N, 3)
        Root-relative points in metres.

    Returns
    -------
    float
        Millimetres.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.measuring.metrics import mpjpe
    >>> round(mpjpe(np.zeros((5, 17, 3)), np.full((5, 17, 3), 0.01)), 2)
    17.32
    """
    return float(distances(predicted, true).mean())


def pa_mpjpe(predicted: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Mean per joint position error after :func:`procrustes` alignment, millimetres.

    Parameters
    ----------
    predicted, true : array of float, shape (F, N, 3)
        Points in metres.

    Returns
    -------
    float
        Millimetres.
    """
    return mpjpe(procrustes(predicted, true), true)


def n_mpjpe(predicted: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Mean per joint position error after :func:`rescale`, millimetres (Rhodin et al. 2018).

    Parameters
    ----------
    predicted, true : array of float, shape (F, N, 3)
        Root-relative points in metres.

    Returns
    -------
    float
        Millimetres.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.measuring.metrics import n_mpjpe
    >>> true = np.random.default_rng(0).normal(size=(5, 17, 3))
    >>> n_mpjpe(0.5 * true, true)
    0.0
    """
    return mpjpe(rescale(predicted, true), true)


def rescale(
    predicted: NDArray[np.floating],  # [F, N, 3]
    true: NDArray[np.floating],  # [F, N, 3]
) -> NDArray[np.float64]:  # [F, N, 3]
    """Stretch every predicted point set about the origin to the size that fits its true one best.

    The scale minimises the sum of squared distances; nothing is turned or moved. As published, the
    scale may be negative: the point reflection of a pose counts as right.

    Parameters
    ----------
    predicted, true : array of float, shape (F, N, 3)
        Root-relative point sets.

    Returns
    -------
    array of float64, shape (F, N, 3)
        The stretched predictions, in the unit of ``true``.
    """
    predicted, true = _checked(predicted, true)
    size = (predicted**2).sum(axis=(1, 2))
    scale = (predicted * true).sum(axis=(1, 2)) / np.where(size > 0, size, 1.0)
    return scale[:, None, None] * predicted


def procrustes(
    predicted: NDArray[np.floating],  # [F, N, 3]
    true: NDArray[np.floating],  # [F, N, 3]
) -> NDArray[np.float64]:  # [F, N, 3]
    """Move every predicted point set onto its true one by the best similarity.

    The rotation, translation and scale that minimise the sum of squared distances (Umeyama 1991).
    Reflections are excluded: the mirror image of a pose is not counted as right.

    Parameters
    ----------
    predicted, true : array of float, shape (F, N, 3)
        Point sets.

    Returns
    -------
    array of float64, shape (F, N, 3)
        The moved predictions, in the unit of ``true``.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.measuring.metrics import procrustes
    >>> true = np.random.default_rng(0).normal(size=(1, 5, 3))
    >>> quarter_turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    >>> bool(np.allclose(procrustes(2 * true @ quarter_turn.T + 1, true), true))
    True
    """
    predicted, true = _checked(predicted, true)
    true_mean = true.mean(axis=1, keepdims=True)
    source = predicted - predicted.mean(axis=1, keepdims=True)
    target = true - true_mean
    U, singular, Vt = np.linalg.svd(source.transpose(0, 2, 1) @ target)
    sign = np.ones_like(singular)
    sign[:, 2] = np.where(np.linalg.det(U @ Vt) < 0, -1.0, 1.0)
    rotation = (U * sign[:, None]) @ Vt
    spread = (source**2).sum(axis=(1, 2))
    scale = (singular * sign).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    return scale[:, None, None] * (source @ rotation) + true_mean


def _checked(
    predicted: NDArray[np.floating], true: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    arrays = []
    for name, points in (("predicted", predicted), ("true", true)):
        array = np.asarray(points, dtype=np.float64)
        if array.ndim != 3 or array.shape[-1] != 3 or 0 in array.shape:
            raise ValueError(f"{name} must have shape (F, N, 3), not empty; got {array.shape}")
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            raise ValueError(
                f"{name}{[int(i) for i in bad[0]]} is {array[tuple(bad[0])]}; "
                "drop frames without a finite pose before measuring"
            )
        arrays.append(array)
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(
            f"predicted has shape {arrays[0].shape} and true {arrays[1].shape}; "
            "they must agree frame by frame"
        )
    return arrays[0], arrays[1]
