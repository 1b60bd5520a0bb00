"""Files of edges through DuckDB: checked, numbered, and streamed in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from multiscale_gcn.backends import require
from multiscale_gcn.convert.named_ends import ends_among, weight_among
from multiscale_gcn.convert.values import MANY_NODES, NODES_PER_ID
from multiscale_gcn.outofcore.files import EdgeFiles, Files, files_of

INSTALL = "pip install 'multiscale-gcn[outofcore]'"
LEAST_MEMORY = 64 * 10**6
"""Bytes that DuckDB is given at least."""
BATCH = 1 << 17
"""Rows that come from DuckDB at a time: its own unit."""
INTEGERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip
NUMBERS = (*INTEGERS, "FLOAT", "DOUBLE", "DECIMAL")
LARGEST = 2**40
"""That a number of a node may be."""


@dataclass(frozen=True)
class Columns:
    """What was found in the files of edges, as SQL names it."""

    first: str
    second: str
    weight: str | None
    texts: bool
    named: bool
    """Whether nodes have names that must be numbered, texts or others."""


class EdgeReader:
    """The edges of files as arrays of node numbers and weights, batch by batch.

    Parameters
    ----------
    source : EdgeFiles
    memory : int
        Bytes for DuckDB.
    work : Path
        A folder for what it does not keep in memory.

    Attributes
    ----------
    num_rows : int
        Of all files.
    num_nodes : int
    weighted : bool
        Whether there is a column of weights.

    Raises
    ------
    BackendUnavailable
        Without DuckDB.
    ValueError
        For files that cannot be read, columns that are missing or of another type, and the first
        row that is no edge.
    """

    def __init__(self, source: EdgeFiles, memory: int, work: Path) -> None:
        require("duckdb", INSTALL)
        import duckdb

        self._error = duckdb.Error
        self._source, self._work = source, work
        self._base = duckdb.connect(
            config={
                "memory_limit": f"{max(memory, LEAST_MEMORY)}B",
                "temp_directory": str(work / "duckdb"),
                "preserve_insertion_order": "true",
            }
        )
        files = files_of(source.edges, "edges")
        self._edges = self._view("edges", files)
        self._columns = self._find_columns(files)
        self.weighted = self._columns.weight is not None
        self.num_rows = self._checked()
        if self._columns.named:
            self.num_nodes = self._number_names()
        else:
            self.num_nodes = self._count_nodes()

    def close(self) -> None:
        self._base.close()

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Both ends, int64, and the weights of rows in their order; zero weights are left out."""
        found = self._columns
        weight = "" if found.weight is None else f", {found.weight}::DOUBLE"
        kept = "" if found.weight is None else f" WHERE {found.weight} > 0"
        query = f"SELECT {found.first}::BIGINT, {found.second}::BIGINT{weight} FROM edges{kept}"
        if found.named:
            query = (
                f"SELECT a.node, b.node{weight} FROM "
                f"(SELECT *, row_number() OVER () AS row FROM edges{kept}) AS edges "
                f"JOIN names a ON a.id = {found.first} JOIN names b ON b.id = {found.second}"
            )
            if self.weighted:  # a join does not keep the order, in which weights are added up
                query += " ORDER BY row"
        for batch in self._stream(query):
            arrays = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
            yield arrays[0], arrays[1], arrays[2] if self.weighted else None

    def counts(self, shift: int) -> np.ndarray:
        """How often nodes are ends of rows, of each 2**shift nodes together."""
        cells = np.zeros((self.num_nodes >> shift) + 1, np.int64)
        if self._columns.named:
            for first, second, _ in self.batches():
                cells += np.bincount(first >> shift, minlength=len(cells))
                cells += np.bincount(second >> shift, minlength=len(cells))
            return cells
        for end in (self._columns.first, self._columns.second):
            for batch in self._stream(
                f"SELECT ({end}::BIGINT >> {shift}) AS cell, count(*) FROM edges GROUP BY cell"
            ):
                cell, count = (column.to_numpy() for column in batch.columns)
                cells[cell] += count
        return cells

    def node_weights(self) -> np.ndarray | None:
        """Of the nodes file or of the array; None: all are 1."""
        given = self._source.node_weights
        if given is not None:
            if np.shape(given) != (self.num_nodes,):
                raise ValueError(
                    f"node_weights has shape {np.shape(given)}, expected ({self.num_nodes},); give "
                    "one for each node"
                )
            weights = np.asarray(given)
            bad = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
            if len(bad):
                raise ValueError(
                    f"node_weights[{bad[0]}] = {weights[bad[0]]} must be positive and finite; "
                    "drop such entries or replace their weight"
                )
            return weights
        return None if self._source.nodes is None else self._weights_of_nodes()

    def write_names(self, path: Path) -> None:
        """Write the ids and their numbers, where nodes have names."""
        if self._columns.named:
            self._base.execute(
                f"COPY (SELECT id, node FROM names ORDER BY node) TO {_text(path)} (FORMAT parquet)"
            )

    def refuse_pair(self, u: int, v: int, why: str) -> NoReturn:
        """Name the first row that holds an edge between two nodes, and what is wrong with it."""
        first, second = self._columns.first, self._columns.second
        names = self.names(u, v)
        (row,) = self._one(
            "SELECT min(row) FROM (SELECT *, row_number() OVER () - 1 AS row FROM edges) AS edges "
            f"WHERE ({first} = ? AND {second} = ?) OR ({first} = ? AND {second} = ?)",
            [*names, *reversed(names)],
        )
        raise ValueError(f"row {row} of {self._edges}, the edge {names}: {why}")

    def names(self, u: int, v: int) -> tuple[Any, Any]:
        """What the files call two nodes."""
        if not self._columns.named:
            return u, v
        found = dict(self._rows(f"SELECT node, id FROM names WHERE node IN ({u}, {v})"))
        return found[u], found[v]

    def _view(self, name: str, files: Files) -> str:
        """Have the files under this name in SQL; returns how to call them in messages."""
        listed = "[" + ", ".join(_text(path) for path in files.paths) + "]"
        try:
            if files.kind == "parquet":
                self._base.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({listed})")
            elif files.kind == "csv":
                self._base.execute(
                    f"CREATE VIEW {name} AS SELECT * FROM {_csv(self._base, listed)}"
                )
            else:
                require("pyarrow", INSTALL)
                from pyarrow import dataset

                self._base.register(
                    name, dataset.dataset(list(map(str, files.paths)), format="ipc")
                )
            self._base.execute(f"DESCRIBE {name}").fetchall()
        except Exception as error:
            raise ValueError(
                f"{files.paths[0]} cannot be read as {files.kind} ({_first_line(error)}); look "
                "whether the files are whole, and have the same columns"
            ) from error
        return str(files.paths[0] if len(files.paths) == 1 else files.paths[0].parent)

    def _find_columns(self, files: Files) -> Columns:
        types = {name: kind for name, kind, *_ in self._rows("DESCRIBE edges")}
        ends = ends_among([*types])
        if not set(ends) <= set(types):
            raise ValueError(
                f"{self._edges} has the columns {', '.join(types)}, and needs u and v, source and "
                "target, from and to, or src and dst; rename those that hold the ends of an edge"
            )
        kinds = {types[end] for end in ends}
        texts = kinds == {"VARCHAR"}
        if not texts and not kinds <= set(INTEGERS):
            raise ValueError(
                f"columns {ends[0]} and {ends[1]} of {self._edges} are {types[ends[0]]} and "
                f"{types[ends[1]]}; ids are integers or texts, both ends alike: cast them"
            )
        weight = weight_among([*types])
        if weight is not None and types[weight].partition("(")[0] not in NUMBERS:
            raise ValueError(
                f"column {weight} of {self._edges} is {types[weight]}; weights are numbers: "
                "cast them, and look for rows that hold none"
            )
        first, second = (_column(end) for end in ends)
        quoted = None if weight is None else _column(weight)
        return Columns(first, second, quoted, texts, texts or self._source.renumber)

    def _checked(self) -> int:
        """The number of rows, all of which are edges."""
        found = self._columns
        wrong = f"{found.first} IS NULL OR {found.second} IS NULL"
        if found.texts:
            wrong += f" OR {found.first} = '' OR {found.second} = ''"
        if not found.named:
            wrong += f" OR least({found.first}, {found.second}) < 0"
            wrong += f" OR greatest({found.first}, {found.second}) >= {LARGEST}"
        if found.weight is not None:
            value = f"{found.weight}::DOUBLE"
            wrong += f" OR {found.weight} IS NULL OR NOT isfinite({value}) OR {value} < 0"
        rows, bad = self._one(f"SELECT count(*), count(*) FILTER ({wrong}) FROM edges")
        if bad:
            weight = "1" if found.weight is None else found.weight
            row, u, v, w = self._one(
                f"SELECT row, {found.first}, {found.second}, {weight} FROM "
                "(SELECT *, row_number() OVER () - 1 AS row FROM edges) AS edges "
                f"WHERE {wrong} ORDER BY row LIMIT 1"
            )
            raise ValueError(
                f"row {row} of {self._edges} is no edge: its ends are {u!r} and {v!r}, its weight "
                f"{w!r}; ids are numbers from 0 to 2**40, or say renumber=True, or texts, weights "
                "finite and not negative: mend the row or leave it out"
            )
        if rows and found.weight is not None:
            (some,) = self._one(f"SELECT count(*) FROM edges WHERE {found.weight} > 0")
            if not some:
                raise ValueError(
                    f"every weight of {self._edges} is zero; leave rows of weight zero out if "
                    "there are no edges"
                )
        return int(rows)

    def _count_nodes(self) -> int:
        first, second = self._columns.first, self._columns.second
        if self._source.nodes is not None:
            self._check_nodes("edges of numbers")
            (number,) = self._one("SELECT count(*) FROM nodes")
            outside = self._one("SELECT min(id), max(id) FROM nodes")
            if number and outside != (0, number - 1):
                raise ValueError(
                    f"the ids of nodes run from {outside[0]} to {outside[1]}, and there are "
                    f"{number}; number them from 0, or say renumber=True"
                )
            known: int | None = int(number)
        else:
            known = self._source.num_nodes
        largest = self._one(f"SELECT max(greatest({first}, {second})) FROM edges")[0]
        largest = -1 if largest is None else int(largest)
        if known is None:
            n = largest + 1
            if n > MANY_NODES and n > NODES_PER_ID * 2 * self.num_rows:
                raise ValueError(
                    f"the largest id of {self._edges} is {largest}, which would make as many nodes "
                    f"and more of {self.num_rows} rows; say renumber=True, or num_nodes"
                )
            return n
        if largest >= known:
            row, u, v = self._one(
                f"SELECT row, {first}, {second} FROM (SELECT *, row_number() OVER () - 1 AS row "
                f"FROM edges) AS edges WHERE greatest({first}, {second}) >= {known} "
                "ORDER BY row LIMIT 1"
            )
            raise ValueError(
                f"row {row} of {self._edges}, the edge ({u}, {v}), has an end that is no node: ids "
                f"run from 0 to {known - 1}; correct it, or say that there are more"
            )
        return int(known)

    def _number_names(self) -> int:
        """Number the names in their order; those of the nodes file, if there is one."""
        first, second = self._columns.first, self._columns.second
        for option in ("num_nodes", "node_weights"):
            if getattr(self._source, option) is not None:
                raise ValueError(
                    f"{option} does not go with the texts of {self._edges}, which are numbered in "
                    "their order; give nodes, a file with the columns id and weight"
                )
        if self._source.nodes is not None:
            self._check_nodes("names")
            names = "SELECT id FROM nodes"
        else:
            names = f"SELECT {first} AS id FROM edges UNION SELECT {second} FROM edges"
        self._run(
            "CREATE TABLE names AS SELECT id, row_number() OVER (ORDER BY id) - 1 AS node FROM "
            f"({names})"
        )
        if self._source.nodes is not None:
            unknown = self._rows(
                f"SELECT row, {first}, {second} FROM (SELECT *, row_number() OVER () - 1 AS row "
                f"FROM edges) AS edges WHERE {first} NOT IN (SELECT id FROM names) OR {second} "
                "NOT IN (SELECT id FROM names) ORDER BY row LIMIT 1"
            )
            if unknown:
                row, u, v = unknown[0]
                raise ValueError(
                    f"row {row} of {self._edges}, the edge ({u!r}, {v!r}), has an end that nodes "
                    "does not name; add it there"
                )
        return int(self._one("SELECT count(*) FROM names")[0])

    def _check_nodes(self, what: str) -> None:
        self._nodes = self._view("nodes", files_of(self._source.nodes, "nodes"))
        types = {name: kind for name, kind, *_ in self._rows("DESCRIBE nodes")}
        if "id" not in types:
            raise ValueError(
                f"{self._nodes} has the columns {', '.join(types)}, and needs id, which names the "
                "node, and weight; rename yours"
            )
        integers = types["id"] in INTEGERS
        if integers != (self._columns.named is False or self._source.renumber):
            raise ValueError(
                f"column id of {self._nodes} is {types['id']}, and the ends of {self._edges} are "
                f"{what}; give both the same type"
            )
        twice = self._rows(
            "SELECT id, count(*) FROM nodes GROUP BY id HAVING count(*) > 1 OR id IS NULL LIMIT 1"
        )
        if twice:
            raise ValueError(
                f"id {twice[0][0]!r} stands {twice[0][1]} times in {self._nodes}; name each node "
                "once"
            )

    def _weights_of_nodes(self) -> np.ndarray | None:
        types = {name: kind for name, kind, *_ in self._rows("DESCRIBE nodes")}
        if "weight" not in types:
            return None
        wrong = "weight IS NULL OR NOT isfinite(weight::DOUBLE) OR weight::DOUBLE <= 0"
        bad = self._rows(
            "SELECT row, id, weight FROM (SELECT *, row_number() OVER () - 1 AS row FROM nodes) "
            f"WHERE {wrong} ORDER BY row LIMIT 1"
        )
        if bad:
            row, name, weight = bad[0]
            raise ValueError(
                f"row {row} of {self._nodes}: the node {name!r} weighs {weight!r}; node weights "
                "must be positive and finite"
            )
        query = "SELECT id::BIGINT, weight::DOUBLE FROM nodes"
        if self._columns.named:
            query = "SELECT node, weight::DOUBLE FROM nodes JOIN names ON names.id = nodes.id"
        weights = np.empty(self.num_nodes)
        for batch in self._stream(query):
            node, weight = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
            weights[node] = weight
        return weights

    def _stream(self, query: str) -> Iterator[Any]:
        reader = self._base.sql(query).to_arrow_reader(BATCH)
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except Exception as error:
                raise self._told(error) from error
            yield batch

    def _run(self, query: str, values: Any = None) -> Any:
        try:
            return self._base.execute(query, values)
        except self._error as error:
            raise self._told(error) from error

    def _rows(self, query: str, values: Any = None) -> list[Any]:
        try:
            found: list[Any] = self._run(query, values).fetchall()
        except self._error as error:
            raise self._told(error) from error
        return found

    def _one(self, query: str, values: Any = None) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._rows(query, values)[0]
        return row

    def _told(self, error: Exception) -> Exception:
        text = _first_line(error)
        if "space" in text.lower() or "Out of Memory" in text:
            return OSError(
                f"DuckDB had no room to read {self._edges} ({text}); what it does not keep in "
                f"memory goes to {self._work}: make room there, or allow more memory"
            )
        return ValueError(
            f"{self._edges} cannot be read ({text}); look whether the files are whole, and have "
            "the same columns"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300] or type(error).__name__


def _csv(base: Any, listed: str) -> str:
    """How SQL calls CSV files, which may lack a line of names."""
    with_names = f"read_csv({listed}, header = true)"
    found = base.execute(f"DESCRIBE SELECT * FROM {with_names}").fetchall()
    names = [name for name, *_ in found]
    if not all(re.fullmatch(r"[-+.\d]+(e[-+]?\d+)?(_\d+)?", name) for name in names):
        return with_names
    own = "'u', 'v', 'w'" if len(names) == 3 else "'u', 'v'"
    return f"read_csv({listed}, header = false, names = [{own}])"


def _column(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'edges."{quoted}"'


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
