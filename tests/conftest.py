import os

os.environ.setdefault("NUMBA_NUM_THREADS", "4")  # before numba is imported: tests use 1, 2 and 4

from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")
