"""CSV as people's programs write it: separators, decimal commas, and lines above the table."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from examples.hgn_pose.files.texts import read_text
from multiscale_gcn.checks.arguments import shown

EMPTY = ("", "nan", "na", "n/a", "#n/a", "null", "none", "-")
"""What programs write where there is no number."""
SEPARATORS = ",;\t|"
MOST_HEADS = 4
"""Lines above the numbers; DeepLabCut has three, and four for several animals."""
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+")
_WITH_COMMA = re.compile(r"[-+]?\d[\d.,]*([eE][-+]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_NUMBER = re.compile(r"\s*[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?\s*|\s*-?(nan|inf)\s*", re.I)


@dataclass(frozen=True, eq=False)
class Table:
    """Lines of cells below one or several lines of heads.

    Parameters
    ----------
    heads : list of list of str
        Each as long as the first.
    lines : list of (int, list of str)
        The number of the line in the file, and its cells, as many as heads.
    source : str
        The file.
    """

    heads: list[list[str]]
    lines: list[tuple[int, list[str]]]
    source: str

    def number(self, line: int, name: str, text: str) -> float:
        """A cell as a number, NaN if it is empty.

        Raises
        ------
        ValueError
            Naming the line and the column.
        """
        try:
            return float("nan") if text.strip().lower() in EMPTY else float(text)
        except ValueError:
            raise ValueError(
                f"{self.source}, line {line}: {name} is {shown(text)}, no number"
            ) from None


def read_table(path: Path) -> Table:
    """Read the cells of a CSV file.

    The separator is the one of comma, semicolon, tab and bar that divides the first line most
    often. Decimal commas become points where no number has a point, and one cannot be read as
    thousands.

    Raises
    ------
    ValueError
        If it is no table, or commas in numbers have two readings.
    """
    text = read_text(path)
    above, text = _remarks(text)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    if not first.count(separator):
        separator = " "
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=separator == " "
        )
        rows = [(number, row) for number, row in enumerate(reader, start=above + 1) if any(row)]
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}; save it as one") from None
    if not rows:
        raise ValueError(f"{path} is empty; give a table of 2D joints")
    width = len(rows[0][1])
    lines = []
    for number, row in rows:
        if len(row) < width or any(row[width:]):
            raise ValueError(
                f"{path}, line {number}: it has {len(row)} columns, the first line {width}; "
                "give a whole table"
            )
        lines.append((number, row[:width]))
    count = _heads([row for _, row in lines])
    if not count:
        raise ValueError(f"{path} begins with numbers; put the names of the columns above them")
    heads = [[cell.strip() for cell in row] for _, row in lines[:count]]
    return Table(heads, _with_points(lines[count:], str(path)), str(path))


def _remarks(text: str) -> tuple[int, str]:
    """How many lines at the top are remarks or name the separator, and the text below them."""
    above = 0
    while re.match(r"#|sep=.?\r?\n", text):
        above += 1
        text = text.partition("\n")[2]
    return above, text


def _heads(rows: list[list[str]]) -> int:
    """How many lines stand above the numbers; one, if that cannot be told."""
    for count, row in enumerate(rows[: MOST_HEADS + 1]):
        filled = [cell for cell in row[1:] if cell.strip().lower() not in EMPTY] or row[:1]
        if sum(bool(_NUMBER.fullmatch(cell)) for cell in filled) >= len(filled) / 3:
            return count
    return 1


def _with_points(lines: list[tuple[int, list[str]]], source: str) -> list[tuple[int, list[str]]]:
    """Numbers with decimal points instead of commas."""
    commas = [
        (number, cell.strip())
        for number, row in lines
        for cell in row
        if "," in cell and _WITH_COMMA.fullmatch(cell.strip())
    ]
    if not commas:
        return lines
    pointed = any("." in cell and _NUMBER.fullmatch(cell) for _, row in lines for cell in row)
    odd = [one for one in commas if not _DECIMAL_COMMA.fullmatch(one[1])]
    if odd or pointed or all(_THOUSANDS.fullmatch(cell) for _, cell in commas):
        number, cell = (odd or commas)[0]
        raise ValueError(
            f"{source}, line {number}: is {cell} a number with decimals, or with thousands? Write "
            "decimal points and no marks of thousands"
        )
    return [
        (
            number,
            [c.replace(",", ".") if _DECIMAL_COMMA.fullmatch(c.strip()) else c for c in row],
        )
        for number, row in lines
    ]
