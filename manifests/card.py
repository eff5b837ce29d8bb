"""DATASET.md of a data set, from its manifests alone."""
from pathlib import Path
from manifests.store import write_text
def render_card(root: Path) -> str:
    return "x"
def write_card(root: Path) -> Path:
    write_text(root / "DATASET.md", render_card(root))
    return root / "DATASET.md"
