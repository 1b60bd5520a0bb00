"""Parquet files of edges, through pyarrow, with the columns of a frame."""

from __future__ import annotations

from pathlib import Path

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.frames import Columns, from_frame
from multiscale_gcn.convert.options import Options


def read(path: Path, options: Options) -> Entries:
    parquet = library("pyarrow.parquet", f"reading {path.suffix} files", "tables")
    try:
        table = parquet.ParquetFile(path).read()
    except Exception as error:
        raise ValueError(
            f"pyarrow cannot read {path} ({type(error).__name__}); look whether it is a Parquet "
            "file, and whole"
        ) from error
    return from_frame(Columns(table), options)
