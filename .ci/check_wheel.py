"""Run by the Python of an environment that holds nothing but the installed wheel."""

import sys
import time
from importlib.metadata import files, version
from pathlib import Path

HEAVY = ("torch", "numba", "cupy", "networkx", "scipy", "matplotlib")

start = time.perf_counter()
import multiscale_gcn  # noqa: E402

seconds = time.perf_counter() - start

home = Path(multiscale_gcn.__file__)
assert home.is_relative_to(sys.prefix), f"imported from {home}, not from the environment"
assert version("multiscale-gcn") == multiscale_gcn.__version__

loaded = [name for name in HEAVY if name in sys.modules]
assert not loaded, f"the bare import loads {loaded}"

SCRIPT = "multiscale-gcn"
listed = [Path(str(path)) for path in files("multiscale-gcn") or []]
tops = {path.parts[0] for path in listed if path.name not in (SCRIPT, f"{SCRIPT}.exe")}
assert any(path.stem == SCRIPT for path in listed), "the command is not installed"
assert any(path.name == "turning.html" for path in listed), "a template is missing"
strangers = {top for top in tops if top != "multiscale_gcn" and not top.endswith(".dist-info")}
assert not strangers, f"the wheel also installs {strangers}"

for name in multiscale_gcn.__all__:
    getattr(multiscale_gcn, name)

assert "torch" not in sys.modules
graph = multiscale_gcn.Graph([0, 1, 3, 4], [1, 0, 2, 1])
assert multiscale_gcn.coarsen(graph, sizes=[2]).sizes == (3, 2)
try:
    import multiscale_gcn.nn
except ImportError as error:
    told = str(error)
assert told == "multiscale_gcn.nn needs torch: pip install 'multiscale-gcn[torch]'", told

print(f"multiscale-gcn {multiscale_gcn.__version__}: imported in {1000 * seconds:.0f} ms")
