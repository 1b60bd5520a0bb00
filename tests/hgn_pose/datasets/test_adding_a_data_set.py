"""The data set that the page on adding one adds, taken from the page."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from examples.hgn_pose.datasets import catalogue

PAGE = Path(__file__).parents[3] / "docs" / "extending" / "data-set.md"
READER, ENTRY, TEST = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)

reader = ModuleType("lab")
exec(READER + ENTRY, reader.__dict__)
exec(TEST)  # brings the class TestLab


@pytest.fixture(autouse=True)
def entry(monkeypatch):
    monkeypatch.setitem(catalogue.CATALOGUE, reader.DATA_SET.name, reader.DATA_SET)
