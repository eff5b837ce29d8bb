"""What the page on exports tells people to copy is what exports tell them."""

from __future__ import annotations

from dataset_builder.export.reading import TO_COLOURS
from tests.places import ROOT


def test_the_page_has_the_code_of_the_exports() -> None:
    assert TO_COLOURS in (ROOT / "docs/exports.md").read_text(encoding="utf-8")
