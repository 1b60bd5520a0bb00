"""The list of small faults is that of the library as it stands; ``make mutants`` tries them."""

import pytest
from mutants import TESTS, mutated
from mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.file}: {m.new[:40]}")
def test_every_fault_can_be_made(mutation: Mutation) -> None:
    assert mutation.new in mutated(mutation)
    assert mutation.file.split("/")[0] in TESTS
