"""Break the library in small ways, one at a time, and see that a test notices.

python tests/campaign/mutants.py            every mutation
python tests/campaign/mutants.py truncation those of files whose name holds this
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
WORKERS = 2
TESTS = {
    "matching": ("tests/campaign/test_differential.py", "tests/matching", "tests/graph"),
    "contraction": ("tests/contraction", "tests/campaign/test_differential.py"),
    "hierarchy": ("tests/hierarchy", "tests/graph"),
    "graph": ("tests/graph", "tests/campaign/test_differential.py"),
    "quality.py": ("tests/test_quality.py",),
}
"""Where a fault in a folder must be noticed."""


def mutated(mutation: Mutation) -> str:
    text = (ROOT / "multiscale_gcn" / mutation.file).read_text()
    if text.count(mutation.old) != 1:
        raise ValueError(
            f"{mutation.file} has {mutation.old!r} {text.count(mutation.old)} times, not once"
        )
    return text.replace(mutation.old, mutation.new)


def noticed(tests: tuple[str, ...], file: str = "", text: str = "") -> str:
    """The test that fails with this text in the file; empty if none does.

    Nothing is compiled, so every index is checked, and large graphs are left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("multiscale_gcn", "tests"):
            skipped = shutil.ignore_patterns("__pycache__", "hgn_pose", "nn")
            ignore = skipped if name == "tests" else shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", copy)
        if file:
            (copy / "multiscale_gcn" / file).write_text(text)
        environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": folder}
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
             "-W", "ignore::RuntimeWarning", "-m", "not slow and not gpu",
             "--hypothesis-profile=mutants", "-k", "not as_it_ships", *tests],
            cwd=copy, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if run.returncode not in (0, 1) and not lines:
        raise RuntimeError(run.stdout + run.stderr)
    return lines[0].split(" - ")[0] if lines else ""


def killed(mutation: Mutation) -> str:
    return noticed(TESTS[mutation.file.split("/")[0]], mutation.file, mutated(mutation))


def main(wanted: str) -> int:
    """Print what became of each; how many survived, or were noticed and called equivalent."""
    chosen = [m for m in MUTATIONS if wanted in m.file]
    began, counts = time.monotonic(), {"killed": 0, "equivalent": 0, "wrong": 0}
    with ThreadPoolExecutor(WORKERS) as pool:
        for tests, by in zip(TESTS.values(), pool.map(noticed, TESTS.values()), strict=True):
            if by:
                raise RuntimeError(f"without any mutation {by} fails, of {tests}")
        for mutation, by in zip(chosen, pool.map(killed, chosen), strict=True):
            line = f"{mutation.file}: {mutation.old!r} -> {mutation.new!r}"
            if bool(by) == bool(mutation.equivalent):
                counts["wrong"] += 1
                said = f"NOTICED by {by}" if by else "SURVIVED"
            else:
                counts["killed" if by else "equivalent"] += 1
                said = by or f"equivalent: {mutation.equivalent}"
            print(f"{said}\n    {line}", flush=True)
    seconds = time.monotonic() - began
    print(f"{len(chosen)} mutants in {seconds:.0f} s: {counts['killed']} killed, "
          f"{counts['equivalent']} equivalent, {counts['wrong']} unexplained")  # fmt: skip
    return counts["wrong"]


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1] if len(sys.argv) > 1 else "")))
