import os

os.environ.setdefault("NUMBA_NUM_THREADS", "4")  # before numba is imported: tests use 1, 2 and 4

from hypothesis import settings

# CI draws the same examples every time, so that a change fails for what it changed.
settings.register_profile("default", deadline=None, max_examples=60, derandomize="CI" in os.environ)
settings.load_profile("default")
