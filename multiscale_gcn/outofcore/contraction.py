"""P^T A P of a mapped graph, in parts of coarse rows that fit into memory.

The coarse rows of a part are those whose first members lie in one range of rows. A second member
that lies in a later range has its row copied to a file of the part that it goes to, while all
rows are gone through in their order; then one part after the other is merged. So everything is
read and written in order, however far apart the members of a coarse row are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.contraction.on_cpu import merge_by_rows
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy.stored import LevelWriter
from multiscale_gcn.hierarchy.stored.arrays import release
from multiscale_gcn.outofcore.kernels import add_up, coarse_cuts, copy_rows, copy_to
from multiscale_gcn.outofcore.parts import fetch
from multiscale_gcn.outofcore.progress import Progress


def contract(
    fine: Graph,
    mate: np.ndarray,  # [n]
    parent: np.ndarray,  # [n]
    coarse: LevelWriter,
    entries: int,
    progress: Progress,
) -> None:
    """Write the coarse graph.

    Parameters
    ----------
    fine : Graph
        Mapped.
    mate, parent : array of int, shape (n,)
        The pairs, and their numbers by first members.
    coarse : LevelWriter
    entries : int
        That are merged at a time, if not one coarse row has more.
    progress : Progress
    """
    num_coarse = int(parent.max(initial=-1)) + 1
    cuts = coarse_cuts(fine.indptr, mate, entries)
    work = coarse.work
    progress.begin("sort", fine.num_entries)
    written = _sort_out(fine, mate, cuts, work, entries, progress)
    progress.end(fine.num_entries, written)
    progress.begin("contract", fine.num_entries)
    entries_at = fine.indptr[cuts].tolist()
    for part in range(len(cuts) - 1):
        for array in (fine.indices, fine.weights):
            fetch(array, *entries_at[part + 1 : part + 3])
        written += _merge_part(
            fine, mate, parent, cuts, part, _Bucket(work, part, fine), coarse, num_coarse
        )
        release(fine.indices, fine.weights)
        progress.advance(int(fine.indptr[cuts[part + 1]] - fine.indptr[cuts[part]]))
    coarse.close()
    coarse.write_node_weights(add_up(fine.node_weights, parent, num_coarse))
    progress.end(fine.num_entries, written)


class _Bucket:
    """Rows that were copied for one part, in the order of their numbers."""

    def __init__(self, folder: Path, part: int, fine: Graph) -> None:
        self.dtypes = {
            "rows": fine.indices.dtype,
            "lengths": np.dtype(np.int64),
            "columns": fine.indices.dtype,
            "weights": np.dtype(np.float64),
        }
        self.paths = {name: folder / f"{part}.{name}" for name in self.dtypes}

    def append(self, **arrays: np.ndarray) -> int:
        for name, array in arrays.items():
            with self.paths[name].open("ab", buffering=0) as file:
                rest = np.ascontiguousarray(array, self.dtypes[name]).data.cast("B")
                while len(rest):
                    rest = rest[file.write(rest) :]
        return sum(array.nbytes for array in arrays.values())

    def __bool__(self) -> bool:
        return self.paths["rows"].exists()

    def read(self) -> dict[str, np.ndarray]:
        return {name: np.fromfile(path, self.dtypes[name]) for name, path in self.paths.items()}

    def remove(self) -> None:
        for path in self.paths.values():
            path.unlink()


def _sort_out(
    fine: Graph,
    mate: np.ndarray,
    cuts: np.ndarray,
    work: Path,
    entries: int,
    progress: Progress,
) -> int:
    """Copy the rows of second members to the parts that they go to; returns how many bytes."""
    written = 0
    for low, high in zip(cuts[1:-1].tolist(), cuts[2:].tolist(), strict=True):
        away = low + np.flatnonzero(mate[low:high] < low)
        if len(away):
            goes_to = np.searchsorted(cuts, mate[away], side="right") - 1
            order = np.argsort(goes_to, kind="stable")
            away, goes_to = away[order], goes_to[order]
            begins = np.flatnonzero(np.diff(goes_to, prepend=-1))
            for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(away)], strict=True):
                bucket = _Bucket(work, int(goes_to[begin]), fine)
                for rows in _portions(away[begin:end], fine.indptr, entries):
                    lengths, columns, weights = copy_rows(fine, rows)
                    written += bucket.append(
                        rows=rows, lengths=lengths, columns=columns, weights=weights
                    )
            release(fine.indices, fine.weights)
        progress.advance(int(fine.indptr[high] - fine.indptr[low]))
    return written


def _portions(rows: np.ndarray, indptr: np.ndarray, entries: int) -> list[np.ndarray]:
    ends = np.cumsum(indptr[rows + 1] - indptr[rows])
    return np.split(rows, np.flatnonzero(np.diff(ends // entries)) + 1)


def _merge_part(
    fine: Graph,
    mate: np.ndarray,
    parent: np.ndarray,
    cuts: np.ndarray,
    part: int,
    bucket: _Bucket,
    coarse: LevelWriter,
    num_coarse: int,
) -> int:
    """Merge the coarse rows of one part, and write them; returns how many bytes."""
    low, high = int(cuts[part]), int(cuts[part + 1])
    mates = mate[low:high]
    leads = low + np.flatnonzero(mates >= np.arange(low, high, dtype=mates.dtype))
    second = mate[leads].astype(np.int64)
    paired = second != leads
    first = np.zeros(len(leads) + 1, np.int64)
    np.cumsum(1 + paired, out=first[1:])
    members = np.empty(first[-1], np.int64)
    members[first[:-1]] = leads
    members[first[:-1][paired] + 1] = second[paired]
    if bucket:
        pointers, columns, weights = _gathered(fine, members, high, bucket)
        members = np.arange(len(members))
        lengths = np.diff(pointers)
    else:
        pointers, columns, weights = fine.indptr, fine.indices, fine.weights
        lengths = pointers[members + 1] - pointers[members]
    indptr = np.zeros(len(leads) + 1, np.int64)
    indptr[1:] = lengths[first[:-1]]
    indptr[1:][paired] += lengths[first[:-1][paired] + 1]
    most = int(indptr.sum())
    merged = np.empty(most, fine.indices.dtype), np.empty(most)
    found: int = merge_by_rows(  # type: ignore[no-untyped-call]
        (unsigned(pointers), unsigned(columns), weights),
        unsigned(parent),
        (first, members),
        (*merged, indptr),
        int(indptr.max(initial=0)),
        num_coarse,
    )
    coarse.append(np.diff(indptr), merged[0][:found], merged[1][:found])
    if bucket:
        bucket.remove()
    return found * (merged[0].itemsize + merged[1].itemsize)


def _gathered(
    fine: Graph, members: np.ndarray, end: int, bucket: _Bucket
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of all members one after the other: those from ``end`` on are in the bucket."""
    copied = bucket.read()
    ends = np.concatenate([[0], np.cumsum(copied["lengths"])])
    beyond = members >= end
    at = np.searchsorted(copied["rows"], members[beyond])
    lengths = np.empty(len(members), np.int64)
    here = members[~beyond]
    lengths[~beyond] = fine.indptr[here + 1] - fine.indptr[here]
    lengths[beyond] = copied["lengths"][at]
    pointers = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.empty(pointers[-1], fine.indices.dtype)
    weights = np.empty(pointers[-1])
    for which, begins, source in (
        (~beyond, fine.indptr[here], (fine.indices, fine.weights)),
        (beyond, ends[at], (copied["columns"], copied["weights"])),
    ):
        copy_to(pointers[:-1][which], lengths[which], begins, source, columns, weights)
    return pointers, columns, weights
