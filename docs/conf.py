"""Sphinx: make docs."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

import multiscale_gcn
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.lifting.conventions import markdown_table
from examples.hgn_pose.network.registry import ARCHITECTURES

sys.path.insert(0, str(Path(__file__).parent))
from listing import REFERENCE, unlisted, value_of

project = "multiscale-gcn"
author = "The multiscale-gcn developers"
copyright = "2026, the multiscale-gcn developers"  # noqa: A001
version = release = multiscale_gcn.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"multiscale-gcn {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # make notebook runs it

plot_formats = [("png", 120)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True

autosummary_generate = True
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "Convolution": "Convolution"}
autodoc_typehints_format = "short"
numpydoc_show_class_members = False
numpydoc_attributes_as_param_list = True

# Docstrings are tested by pytest; here the pages are.
doctest_test_doctest_blocks = ""
doctest_global_setup = """
from hypothesis import settings

settings.register_profile("docs", deadline=None, max_examples=20, database=None)
settings.load_profile("docs")
import warnings

warnings.filterwarnings("ignore", message="making the weights exact")  # of drawn graphs
"""

# Types of other projects, whose inventories a build without a network cannot read.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(collections|hypothesis|networkx|np|numpy|nx|os|pandas|scipy|sp|st|torch|torch_geometric|typing)\..*",
    ),
    ("py:class", "ArrayLike|Data|Figure|MultilevelSolver|Shape|Tensor"),
    # Internal: what the reference lists says what they are.
    ("py:class", r"(multiscale_gcn\.graph\.constraints\.)?NodeConstraints"),
    ("py:class", r"LevelEngine|PathLike|DeviceArrays|Table|VisitingOrder|Literal\['pair'"),
]


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element
) -> nodes.reference | None:
    """Signatures name a class by the module that defines it, the reference by the public one."""
    if node.get("refdomain") != "py":
        return None
    domain = env.domains.python_domain
    ending = "." + node["reftarget"].rpartition(".")[2]
    known = [
        name
        for name, entry in domain.objects.items()
        if name.endswith(ending) and not entry.aliased
    ]
    if len(known) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", known[0], node, contnode)


def name_type_aliases(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Sphinx prints an alias inside a union by its repr."""
    plain = [
        text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)
        for text in (signature, returns)
    ]
    return plain[0], plain[1]


def keep_bars(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Docstrings write |x| for sizes and absolute values; none uses a substitution."""
    in_example = False
    for number, line in enumerate(lines):
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if not in_example:
            parts = line.split("``")
            parts[::2] = [
                re.sub(r"\|(?=\S)([^|]*)(?<=\S)\|", r"\\|\1\\|", part) for part in parts[::2]
            ]
            lines[number] = "``".join(parts)


def lead_back(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Source pages link to a name by one module for all names of a file; each has its own."""
    if not page.startswith("_modules/"):
        return

    def target(link: re.Match[str]) -> str:
        own = link["page"].rpartition(".")[2]
        within = link["name"].split(".")
        rest = within[within.index(own) + 1 :] if own in within else []
        return f'{link["page"]}.html#{".".join([link["page"], *rest])}"'

    context["body"] = re.sub(
        r'(?P<page>multiscale_gcn[\w.]*)\.html#(?P<name>[\w.]+)"', target, context["body"]
    )


class DataSets(SphinxDirective):
    """The table of the example's data sets, from its catalogue."""

    def run(self) -> list[nodes.Node]:
        rows = [("`--data`", "what", "`--data-path`"), ("---", "---", "---")]
        rows += [
            (f"`{name}`", data_set.what, data_set.expected or "none")
            for name, data_set in CATALOGUE.items()
        ]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return self.parse_text_to_nodes(table)


class PoseNetworks(SphinxDirective):
    """The table of the example's networks, from its registry."""

    def run(self) -> list[nodes.Node]:
        rows = [("`--network`", "what", "`--channels`", "`--frames`"), ("---", "---", "--:", "--:")]
        rows += [
            (f"`{name}`", entry.what, str(entry.channels), ", ".join(map(str, entry.frames)))
            for name, entry in ARCHITECTURES.items()
        ]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return self.parse_text_to_nodes(table)


class Conventions(SphinxDirective):
    """The table of the joints that detectors find, from the table in the code."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(markdown_table())


class Unlisted(SphinxDirective):
    """What is public in a module and stands under no heading, so that a new name needs none."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(REFERENCE))
        lines = []
        for name in unlisted(self.arguments[0], REFERENCE.read_text()):
            value = value_of(name)
            kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
            lines += ["", f".. auto{kind}:: {name}"]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> None:
    app.add_directive("data-sets", DataSets)
    app.add_directive("pose-networks", PoseNetworks)
    app.add_directive("pose-conventions", Conventions)
    app.add_directive("unlisted", Unlisted)
    app.connect("html-page-context", lead_back)
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("autodoc-process-signature", name_type_aliases)
    app.connect("missing-reference", resolve_public_name)
