"""Read npy files of strangers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.hgn_pose.files.reading import reading
from multiscale_gcn.checks.npy import read_array, read_header


def read_npy(path: Path) -> np.ndarray:
    """The array of an npy file.

    Raises
    ------
    ValueError
        If the file is missing, damaged or no npy file, or holds a pickled array.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give an npy file")
    with reading(path, "give a whole npy file, as numpy.save writes it"), path.open("rb") as file:
        header = read_header(file)
        return read_array(file, header, path.stat().st_size - file.tell(), "the array")
