"""The recipes that come with the toolkit, by name."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.errors import RecipeError
from manifests.plain_text import suggest

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
"""They lie beside the packages, in a checkout and where the toolkit is installed."""


def list_recipes() -> list[str]:
    """Names in order.

    Examples:
        >>> "demo" in list_recipes()
        True
    """
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def find_recipe(given: Path) -> Path:
    """File of a recipe that was named by its path, or by the name of one that comes with the toolkit.

    A file of that name goes first. A path that leads nowhere is returned as it is: who reads it says what is wrong.

    Raises:
        RecipeError: for a bare name that is neither.

    Examples:
        >>> find_recipe(Path("demo")).name
        'demo.toml'
    """
    if given.is_file() or given.suffix or len(given.parts) != 1:
        return given
    names = list_recipes()
    if str(given) in names:
        return RECIPES / f"{given}.toml"
    hint = suggest(str(given), names)
    raise RecipeError(
        f"{given}: no such file, and no recipe of the toolkit; {hint and f'{hint} '}they are {', '.join(names)}"
    )
