"""Increasing columns of rows as the gaps between them, seven bits to a byte.

The first column of a row counts from 0. A byte above 127 says that more of its number follows; the
lowest bits come first. Neighbours of a node mostly have near ids, or there are many of them; either
way most gaps take a byte or two.
"""

from __future__ import annotations

import numpy as np

from multiscale_gcn.compiled.kernel import kernel

LOW = np.uint64(127)
MORE = np.uint64(128)
SEVEN = np.uint64(7)
MOST_BYTES = 5
"""Of a gap of up to 32 bits."""


def encoded(lengths: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The bytes of rows.

    Parameters
    ----------
    lengths : array of int64, shape (rows,)
    columns : array of unsigned int, shape (lengths.sum(),)
        Increasing in every row, below 2**32.

    Returns
    -------
    array of uint8
    """
    text = np.empty(MOST_BYTES * len(columns), np.uint8)
    return text[: _encode(lengths, columns, text)].copy()


def decoded(lengths: np.ndarray, text: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The columns of rows.

    Parameters
    ----------
    lengths : array of int64, shape (rows,)
    text : array of uint8
    dtype
        Of the columns.

    Returns
    -------
    array, shape (lengths.sum(),)
    """
    columns = np.empty(int(lengths.sum()), dtype)
    _decode(lengths, text, columns)
    return columns


@kernel()
def _encode(lengths, columns, text):
    at, end = 0, 0
    for length in lengths:
        last = np.uint64(0)
        for _ in range(length):
            column = np.uint64(columns[at])
            gap = column - last
            while gap > LOW:
                text[end] = (gap & LOW) | MORE
                gap >>= SEVEN
                end += 1
            text[end] = gap
            end += 1
            at += 1
            last = column
    return end


@kernel()
def _decode(lengths, text, columns):
    at, begin = 0, 0
    for length in lengths:
        column = np.uint64(0)
        for _ in range(length):
            shift = np.uint64(0)
            byte = np.uint64(text[begin])
            while byte >= MORE:
                column += (byte & LOW) << shift
                shift += SEVEN
                begin += 1
                byte = np.uint64(text[begin])
            column += byte << shift
            begin += 1
            columns[at] = column
            at += 1
