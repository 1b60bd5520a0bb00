"""Pages that load nothing from elsewhere: formulas that browsers draw themselves, and a check."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

PLOTLYS_MATHJAX = re.compile(r'<script src="https://[^"]*mathjax[^"]*"></script>')
"""What plotly puts before a figure, for formulas in its titles."""
FOREIGN = re.compile(
    r'<(?:script|img|iframe)[^>]*\ssrc="(https?://[^"]*)"'
    r'|<link[^>]*\srel="stylesheet"[^>]*\shref="(https?://[^"]*)"'
)


def visit_inline(writer: HTML5Translator, node: nodes.Element) -> None:
    write(writer, node, as_block=False)


def visit_block(writer: HTML5Translator, node: nodes.Element) -> None:
    write(writer, node, as_block=True)


def write(writer: HTML5Translator, node: nodes.Element, as_block: bool) -> None:
    """The whole formula; what docutils cannot translate is a warning, and stands there as TeX."""
    try:
        writer.body.append(tex2mathml(node.astext(), as_block=as_block))
    except MathError as error:
        logger.warning("formula %r: %s", node.astext(), error, location=node)
        writer.body.append(writer.encode(node.astext()))
    raise nodes.SkipNode


def stay_home(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Warn of what a page would load from elsewhere."""
    if "body" not in context:
        return
    context["body"] = PLOTLYS_MATHJAX.sub("", context["body"])
    for found in FOREIGN.finditer(context["body"]):
        logger.warning("%s loads %s", page, found[1] or found[2])


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("html-page-context", stay_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
