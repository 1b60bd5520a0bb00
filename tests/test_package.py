"""The package as users install it: its names, its imports, its wheel, its README."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import multiscale_gcn

ROOT = Path(__file__).parents[1]
PUBLIC_MODULES = (
    "multiscale_gcn",
    "multiscale_gcn.nn",
    "multiscale_gcn.nn.schedules",
    "multiscale_gcn.ops",
    "multiscale_gcn.pyg",
    "multiscale_gcn.testing",
)
SUBMODULES = {"nn", "ops", "pyg", "testing"}
listing = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "listing.py")))


def modules_after(statements: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after these statements."""
    code = f"import sys\n{statements}\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(run.stdout.split())


def test_bare_import_is_light() -> None:
    heavy = {"torch", "numba", "cupy", "networkx", "scipy", "numpy", "hypothesis", "matplotlib"}
    assert not modules_after("import multiscale_gcn; dir(multiscale_gcn)") & heavy


def test_graphs_need_neither_numba_nor_torch_nor_networkx() -> None:
    statements = "from multiscale_gcn import Graph; Graph([0, 1, 2], [1, 0])"
    assert not modules_after(statements) & {"torch", "numba", "cupy", "networkx"}


def test_coarsening_does_not_need_torch() -> None:
    statements = """
from multiscale_gcn import Graph, coarsen
assert coarsen(Graph([0, 1, 2], [1, 0]), sizes=[1]).sizes == (2, 1)
"""
    loaded = modules_after(statements)
    assert not loaded & {"torch", "cupy", "networkx"}


def test_dir_lists_the_public_names() -> None:
    assert set(dir(multiscale_gcn)) == {*multiscale_gcn.__all__, *SUBMODULES, "__version__"}


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_public_names_resolve(module: str) -> None:
    names = listing.public_names(module)
    assert len(set(names)) == len(names) > 0
    for name in names:
        getattr(import_module(module), name)


def documented(module: str) -> Iterator[tuple[str, Any]]:
    """Public classes and functions of a module, and the classes' own public methods."""
    for name in listing.public_names(module):
        value = getattr(import_module(module), name)
        if inspect.isfunction(value):
            yield f"{module}.{name}", value
        elif inspect.isclass(value):
            yield f"{module}.{name}", value
            for method, held in vars(value).items():
                function = getattr(held, "__func__", held)
                inherited = any(getattr(base, method, None) for base in value.__mro__[1:])
                if (
                    inspect.isfunction(function)
                    and not method.startswith(("_", "test_"))
                    and (function.__doc__ or not inherited)
                ):
                    yield f"{module}.{name}.{method}", function


def raises(value: Any) -> bool:
    """Whether a function has a ``raise``, or a class where it is made."""
    functions = [value]
    if inspect.isclass(value):
        functions = [
            vars(value)[name] for name in ("__init__", "__post_init__") if name in vars(value)
        ]
    for function in functions:
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except OSError:  # what a dataclass writes
            continue
        if any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(tree)):
            return True
    return False


def lacking(value: Any) -> list[str]:
    """What numpydoc's sections do not say of a class or function."""
    docscrape = pytest.importorskip("numpydoc.docscrape")
    text = inspect.cleandoc(value.__doc__ or "")
    found = docscrape.NumpyDocString(text)
    named = {
        name.strip().lstrip("*")
        for section in ("Parameters", "Other Parameters", "Attributes")
        for entry in found[section]
        for name in entry.name.split(",")
    }
    is_class = inspect.isclass(value)
    asked: list[str] = []
    if not is_class or ("__init__" in vars(value) and not issubclass(value, BaseException)):
        asked = [
            name for name in inspect.signature(value).parameters if name not in ("self", "cls")
        ]
    missing = [name for name in asked if name not in named]
    if not is_class:
        returned = inspect.signature(value).return_annotation
        if returned not in (None, "None") and not found["Returns"] + found["Yields"]:
            missing.append("Returns")
    if raises(value) and not found["Raises"]:
        missing.append("Raises")
    if ">>>" not in "".join(found["Examples"]):
        missing.append("Examples")
    return missing


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_docstrings_say_all_that_a_caller_asks(module: str) -> None:
    """Parameters, what comes back, what is raised, and an example, of every public name.

    Of layers and operators the signatures say what comes back, with its shape, and a layer's
    methods are those of every layer.
    """
    of_tensors = module in ("multiscale_gcn.nn", "multiscale_gcn.ops")
    gaps = {}
    for name, value in documented(module):
        gap = lacking(value)
        if of_tensors:
            is_method = name.count(".") > module.count(".") + 1
            gap = [] if is_method else [entry for entry in gap if entry != "Returns"]
        if gap:
            gaps[name] = gap
    assert gaps == {}


def test_a_docstring_that_says_nothing_is_seen() -> None:
    def silent(first: int, *others: int) -> int:
        """Nothing."""
        raise ValueError(first, others)

    class Silent:
        """Nothing."""

        def __init__(self, first: int) -> None:
            if first:
                raise ValueError

    assert lacking(silent) == ["first", "others", "Returns", "Raises", "Examples"]
    assert lacking(Silent) == ["first", "Raises", "Examples"]


def seen_also(value: Any) -> list[str]:
    """The names under a docstring's See Also."""
    docscrape = pytest.importorskip("numpydoc.docscrape")
    found = docscrape.NumpyDocString(inspect.cleandoc(value.__doc__ or ""))["See Also"]
    return [name for names, _ in found for name, _ in names]


def in_the_reference() -> Iterator[tuple[str, str]]:
    """The modules and names that the reference lists."""
    for module, names in listing.listed(listing.REFERENCE.read_text()).items():
        yield from ((module, name) for name in names)


def test_see_also_names_others_that_the_reference_lists() -> None:
    whole = {f"{module}.{name}": name.split(".")[-1] for module, name in in_the_reference()}
    wrong = {}
    for module, name in in_the_reference():
        home = f"{module}.{name}".rpartition(".")[0]
        for other in seen_also(listing.value_of(f"{module}.{name}")):
            found = {other, f"{home}.{other}"} & set(whole)
            if not found or name.split(".")[-1] in {whole[one] for one in found}:
                wrong[name] = other
    assert wrong == {}


def test_whatever_the_reference_lists_has_an_example() -> None:
    silent = [
        name
        for module, name in in_the_reference()
        for value in [listing.value_of(f"{module}.{name}")]
        if (inspect.isclass(value) or inspect.isfunction(value)) and ">>>" not in str(value.__doc__)
    ]
    assert silent == []


def test_whoever_has_alternatives_names_them() -> None:
    """Methods, ratings, schedules and convolutions: one is chosen, and others could be."""
    from multiscale_gcn.methods.method import ClusteringMethod
    from multiscale_gcn.nn.convolution_contract import ConvolutionLayer
    from multiscale_gcn.ratings import Rating

    silent = [
        name
        for module, name in in_the_reference()
        for value in [listing.value_of(f"{module}.{name}")]
        if module.endswith("schedules")
        or (
            inspect.isclass(value)
            and issubclass(value, ClusteringMethod | Rating | ConvolutionLayer)
        )
        if "." not in name and not seen_also(value)
    ]
    assert silent == []


def test_type_checkers_see_the_same_names_as_the_lazy_import() -> None:
    source = Path(multiscale_gcn.__file__).read_text()
    block = source.split("if TYPE_CHECKING:\n")[1].split("\n\n")[0]
    imported = re.findall(r"from multiscale_gcn\.([\w.]+) import (\w+) as \2", block)
    assert {name: module for module, name in imported} == multiscale_gcn._HOME


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'coarsem'"):
        multiscale_gcn.coarsem  # noqa: B018


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_reference_lists_every_public_name(module: str) -> None:
    """And nothing else, under the name of its module; layers and operators may come unasked."""
    text = listing.REFERENCE.read_text()
    names = {name for name in listing.listed(text)[module] if "." not in name}
    assert names <= set(listing.public_names(module))
    if f".. unlisted:: {module}\n" not in text:
        assert listing.unlisted(module, text) == []


@pytest.mark.parametrize(
    ("module", "home"),
    [
        ("nn", "SemGConv"),
        ("ops", "propagate"),
        ("ratings", "formulas.EdgeWeight"),
        ("methods", "metis.MetisPartition"),
    ],
)
def test_reference_finds_what_no_heading_lists(module: str, home: str) -> None:
    text = listing.REFERENCE.read_text()
    folder, name = f"multiscale_gcn.{module}", home.rpartition(".")[2]
    assert f".. unlisted:: {folder}\n" in text
    assert f"{folder}.{home}" not in listing.unlisted(folder, text)
    assert f"{folder}.{home}" in listing.unlisted(folder, text.replace(f"   {name}\n", ""))


def test_wheel_holds_the_package_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"multiscale_gcn-{multiscale_gcn.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        assert "License-Expression: Apache-2.0" in archive.read(metadata).decode()
    package = ROOT / "multiscale_gcn"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == expected
    assert "multiscale_gcn/py.typed" in held


def test_readme_example_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_version_is_the_citation_files() -> None:
    (cited,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited == multiscale_gcn.__version__
