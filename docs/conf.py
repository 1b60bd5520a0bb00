"""Sphinx: make docs."""

from __future__ import annotations

import inspect
import logging
import os
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

logging.getLogger("skfem").setLevel(logging.WARNING)  # or scripts of the gallery tell every step

project = "multiscale-gcn"
author = "The multiscale-gcn developers"
copyright = "2026, the multiscale-gcn developers"  # noqa: A001
version = release = multiscale_gcn.__version__

extensions = [
    "offline",
    "matplotlib.sphinxext.plot_directive",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = [
    "_build",
    "gallery/**/GALLERY_HEADER.rst",  # the pages made of the scripts say it again
    "gallery/GALLERY_HEADER.rst",
    "gallery/generated/**/*.ipynb",  # to be downloaded; myst_nb would make pages of them
]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"multiscale-gcn {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css", "landing.css", "gallery.css"]
html_math_renderer = "mathml"

# Prompts are not copied, nor what was printed.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# The notebook runs where its page is made, with hardly any training; the doctests leave it alone.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
os.environ |= {
    "HGN_NOTEBOOK": "quick",
    "PLOTLY_RENDERER": "notebook",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # of tqdm.auto, where there are no widgets
}

plot_formats = [("png", 120)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "gallery/generated",
    "backreferences_dir": "gallery/generated/uses",  # pages of the reference show who uses them
    "doc_module": ("multiscale_gcn",),
    "subsection_order": [f"gallery/{section}" for section in ("coarsen", "networks", "poses")],
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": "scraping.figures",
    "download_all_examples": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "show_signature": False,
}

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
# A page begins in an empty folder. What this machine lacks are the conditions of ``:skipif:``.
doctest_global_setup = """
import os as _os, sys as _sys, tempfile as _tempfile, warnings as _warnings
from importlib.util import find_spec as _find_spec
from hypothesis import settings as _settings

_settings.register_profile("docs", deadline=None, max_examples=20, database=None)
_settings.load_profile("docs")
_warnings.filterwarnings("ignore", message="making the weights exact")  # of drawn graphs
_os.environ.setdefault("PYSPARK_PYTHON", _sys.executable)
_before, _scratch = _os.getcwd(), _tempfile.TemporaryDirectory()
_os.chdir(_scratch.name)
no_gpu = _find_spec("cupy") is None or not __import__("torch").cuda.is_available()
no_ray, no_spark = (_find_spec(name) is None for name in ("ray", "pyspark"))
"""
doctest_global_cleanup = """
_os.chdir(_before)
_scratch.cleanup()
"""

# Links into the references of other projects want their inventories, and these a network.
intersphinx_mapping = (
    {
        "networkx": ("https://networkx.org/documentation/stable", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "python": ("https://docs.python.org/3", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "torch_geometric": ("https://pytorch-geometric.readthedocs.io/en/latest", None),
    }
    if os.environ.get("DOCS_ONLINE")
    else {}
)

# Types of other projects, of which a build without these links knows nothing.
FOREIGN = (
    r"(collections|hypothesis|networkx|np|numpy|nx|os|pandas|scipy|sp|st|torch|torch_geometric"
    r"|typing)\..*"
)
nitpick_ignore_regex = [
    ("py:.*", FOREIGN),
    ("py:class", "ArrayLike|Data|Figure|MultilevelSolver|Shape|Tensor"),
    # Internal: what the reference lists says what they are.
    ("py:class", r"(multiscale_gcn\.graph\.constraints\.)?NodeConstraints"),
    ("py:class", r"multiscale_gcn\.hierarchy\.parts\.parts?\.H"),
    ("py:class", r"LevelEngine|PathLike|DeviceArrays|Table|VisitingOrder|Literal\['pair'"),
]


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element
) -> nodes.reference | None:
    """Signatures name a class by the module that defines it, the reference by the public one."""
    if node.get("refdomain") != "py" or re.match(FOREIGN, node["reftarget"]):
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
