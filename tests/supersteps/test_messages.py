import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from multiscale_gcn.supersteps.gaps import decoded, encoded
from multiscale_gcn.supersteps.messages import arrived, message, size_of


@given(st.lists(st.sets(st.integers(0, 2**32 - 1), max_size=5), max_size=5))
def test_rows_come_back_from_their_gaps(rows: list[set[int]]) -> None:
    lengths = np.array([len(row) for row in rows], np.int64)
    columns = np.array([column for row in rows for column in sorted(row)], np.uint32)
    text = encoded(lengths, columns)
    assert np.array_equal(decoded(lengths, text, np.dtype(np.uint32)), columns)
    assert len(text) <= 5 * len(columns)


def test_a_near_column_takes_one_byte() -> None:
    lengths, columns = np.array([3]), np.array([100, 101, 228], np.uint32)
    assert len(encoded(lengths, columns)) == 3


@given(arrays.arrays(np.float64, st.integers(0, 5), elements=st.floats(width=64, allow_nan=False)))
def test_numbers_arrive_as_they_were_sent(values: np.ndarray) -> None:
    mail = {3: message(values=values, nothing=None)}
    assert np.array_equal(arrived(mail, "values", np.float64), values)
    assert arrived(mail, "nothing").tolist() == []


def test_small_numbers_take_few_bytes() -> None:
    assert size_of({0: message(weights=np.array([1.0, 200.0]))}) == 2
    assert size_of({0: message(weights=np.array([0.5, 200.0]))}) == 8
    assert size_of({0: message(weights=np.array([0.1, 200.0]))}) == 16
    assert size_of({0: message(ids=np.array([1, 70000]))}) == 8
    assert size_of({0: message(ids=np.array([-1, 7]))}) == 16
