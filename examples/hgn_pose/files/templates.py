"""HTML from templates, in which whatever is put in is text unless it says that it is HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def filled(template: Path, **values: Any) -> str:
    """A template with its values.

    Parameters
    ----------
    template : Path
        A Jinja file. It may include files beside it.
    **values
        By the names that the template has for them. Only a ``markupsafe.Markup`` is taken as HTML.

    Returns
    -------
    str

    Raises
    ------
    jinja2.UndefinedError
        If the template asks for what is not given.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     template = Path(folder) / "page.html"
    ...     _ = template.write_text("<b>{{ name }}</b>")
    ...     filled(template, name="<i>")
    '<b>&lt;i&gt;</b>'
    """
    loader = FileSystemLoader(template.parent, encoding="utf-8")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(values)
