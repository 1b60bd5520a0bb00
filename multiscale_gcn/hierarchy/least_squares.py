"""Coarse values whose prolongation comes nearest to values on the finer level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

RIDGE = 1e-8
"""What is added to the diagonal of P'P, against its largest entry."""
ROUNDS = 12
"""A direction that P shortens to s of its largest column keeps (1 + s^2 / RIDGE)^-ROUNDS of what is
missing of it: less than 1e-12 for s > 0.0003, and all for s = 0."""


def least_squares(
    prolongation: sp.csr_array,  # [n, n_coarse]
    values: np.ndarray,  # [n, C], finite
) -> np.ndarray:  # [n_coarse, C]
    """The x of the smallest norm for which the sum of squares of P x - values is smallest.

    By iterated Tikhonov regularisation, since smoothed prolongations are nearly singular: see
    Hanke and Groetsch, "Nonstationary iterated Tikhonov regularization", Journal of Optimization
    Theory and Applications 98, 1998.
    """
    import scipy.sparse as sp
    from scipy.sparse.linalg import splu

    P = prolongation
    result = np.zeros((P.shape[1], values.shape[1]))
    if result.size == 0 or P.shape[0] == 0:
        return result
    scale = np.abs(values).max() or 1.0  # sums of them shall not overflow
    wanted = values / scale
    gram = P.T @ P
    ridge = RIDGE * gram.diagonal().max() * sp.eye_array(P.shape[1])
    factors = splu(
        sp.csc_array(gram + ridge),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    for _ in range(ROUNDS):
        result += factors.solve(P.T @ (wanted - P @ result))
    scaled: np.ndarray = result * scale
    return scaled
