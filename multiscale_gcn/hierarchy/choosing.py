"""One of the values of each cluster: the largest, the smallest, or the most frequent."""

from __future__ import annotations

import numpy as np

EXTREMES = {"max": np.maximum, "min": np.minimum}
"""By the kind of a restriction: of two values the one that is kept, NaN before all others."""


def extreme(
    kind: str,
    cluster: np.ndarray,  # [n], every number from 0 to the largest occurs
    values: np.ndarray,  # [n, ...]
) -> np.ndarray:  # [number of clusters, ...]
    if len(cluster) == 0:
        return values.copy()
    counts = np.bincount(cluster)
    by_cluster = np.argsort(cluster, kind="stable")
    starts = np.cumsum(counts) - counts
    result: np.ndarray = EXTREMES[kind].reduceat(values[by_cluster], starts)
    return result


def most_frequent(
    cluster: np.ndarray,  # [n], every number from 0 to the largest occurs
    values: np.ndarray,  # [n, ...], of any dtype
) -> np.ndarray:  # [number of clusters, ...]
    """In each cluster and column the value that occurs most often; of several the smallest."""
    distinct, rank = np.unique(values.reshape(-1), return_inverse=True)  # all NaN are one
    k, columns = max(len(distinct), 1), int(np.prod(values.shape[1:]))
    place = cluster.astype(np.int64)[:, None] * columns + np.arange(columns)
    keys, counts = np.unique(place.reshape(-1) * k + rank.reshape(-1), return_counts=True)
    place, rank = np.divmod(keys, k)
    order = np.lexsort((rank, -counts, place))
    first = order[np.unique(place[order], return_index=True)[1]]
    num_clusters = int(cluster.max(initial=-1)) + 1
    result: np.ndarray = distinct[rank[first]].reshape(num_clusters, *values.shape[1:])
    return result
