import os
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "4")  # before numba is imported: tests use 1, 2 and 4

import pytest
from hypothesis import settings

# CI draws the same examples every time, so that a change fails for what it changed.
settings.register_profile("default", deadline=None, max_examples=60, derandomize="CI" in os.environ)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def poisoned_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No operator's kernel may rely on what fresh memory holds, or leave a part of it unwritten."""
    if request.path.parent.name != "nn" or not request.path.stem.endswith("_cupy"):
        return
    import torch

    empty = torch.Tensor.new_empty

    def poisoned(self: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        result = empty(self, *arguments, **options)
        return result.fill_(torch.nan) if result.is_floating_point() else result

    monkeypatch.setattr(torch.Tensor, "new_empty", poisoned)
