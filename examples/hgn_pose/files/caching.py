"""Results that are kept in a folder, found again by a checksum of all that they depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.files.archives import read_npz, write_npz


def cached(
    folder: Path | None,
    kind: str,
    checksum: str,
    names: Iterable[str],
    make: Callable[[], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """The arrays that ``make`` returns, from the folder where they were made before.

    Parameters
    ----------
    folder : Path, optional
        None: they are made anew and not kept.
    kind, checksum : str
        The file is ``{kind}-{checksum}.npz``.
    names : iterable of str
        Of the arrays.
    make : callable
        Called where there is no such file.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    if folder is None:
        return make()
    path = Path(folder) / f"{kind}-{checksum}.npz"
    if path.exists():
        try:
            return read_npz(path, names)
        except ValueError as error:
            raise ValueError(f"the cached file is damaged, delete it: {error}") from error
    made = make()
    write_npz(path, made)
    return made


def checksum_of(*parts: str | int | np.ndarray | sp.csr_array) -> str:
    """32 hexadecimal digits of SHA-256 over texts, numbers, and arrays with shape and type.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.files.caching import checksum_of
    >>> checksum_of("fit", np.zeros(3)) == checksum_of("fit", np.zeros((3, 1)))
    False
    """
    digest = hashlib.sha256()
    plain: list[str | int | np.ndarray] = []
    for part in parts:
        if isinstance(part, sp.csr_array):
            plain += [repr(part.shape), part.indptr, part.indices, part.data]
        else:
            plain.append(part)
    for part in plain:
        if isinstance(part, np.ndarray):
            digest.update(repr((part.shape, part.dtype.str)).encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()[:32]
