"""Which files the site shows, and where: each at its path in the repository, so that the links of the pages hold as they are."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


@event_priority(100)  # before notebooks are looked for
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Move pages of `docs` below that name, and add those beside it, and files of code that a page links to."""
    placed = Files([])
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
            if not file.src_uri.endswith((".py", ".pyc", ".json")):
                placed.append(_place(f"docs/{file.src_uri}", config))
    for page in sorted(ROOT.glob("*.md")):
        placed.append(_place(page.name, config))
    for path in sorted(_list_linked(placed)):
        placed.append(_place(path, config))
    for file in placed:
        files.append(file)
    return files


def _place(path: str, config: MkDocsConfig) -> File:
    return File(path, str(ROOT), config.site_dir, config.use_directory_urls)


def _list_linked(placed: Files) -> set[str]:
    """Files of the repository that pages link to and that have no place yet."""
    linked: set[str] = set()
    for page in placed:
        if page.src_uri.endswith(".md"):
            folder = (ROOT / page.src_uri).parent
            targets = _LINK.findall((ROOT / page.src_uri).read_text(encoding="utf-8"))
            found = ((folder / target).resolve() for target in targets)
            linked |= {path.relative_to(ROOT).as_posix() for path in found if path.is_file()}
    return linked - set(placed.src_uris)
