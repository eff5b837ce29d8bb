"""docs/format.md, generated from the schemas: `python -m manifests.documents.format_document > docs/format.md`."""

from __future__ import annotations

import sys

import jinja2

from manifests.documents.markdown import render_columns
from manifests.schema import FORMAT_VERSION, TABLES


def render_format_document() -> str:
    """The description of the on-disk form as Markdown."""
    # Markdown, not HTML: nothing here comes from outside the package.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.PackageLoader("manifests", "documents"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("format.md.j2").render(
        format_version=FORMAT_VERSION, tables=list(TABLES.values()), render_columns=render_columns
    )


if __name__ == "__main__":
    sys.stdout.write(render_format_document())
