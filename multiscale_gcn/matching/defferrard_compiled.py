"""The loop of DefferrardMatching in Numba."""

from __future__ import annotations

from numba import njit

from multiscale_gcn.matching.defferrard import plain_visit

visit = njit(cache=True)(plain_visit)
