"""What all parts of a recipe share: strictness, names, and where a source lies."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from dataset_builder.errors import MissingSourceError

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
PACKAGE_PREFIX = "package:"
_SPLITS_OF_FOLDERS = {"train": "train", "val": "val", "validation": "val", "test": "test"}


class Part(BaseModel):
    """A table of the recipe: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, value: Any) -> Any:
        """Take lists for tuples; name unknown keys: pydantic would refuse them without a word on which ones there are."""
        allowed = sorted(cls.model_fields)
        if isinstance(value, dict) and (unknown := sorted(value.keys() - set(allowed))):
            raise PydanticCustomError("unknown_keys", "unknown keys", {"unknown": unknown, "allowed": allowed})
        return _freeze_lists(value)


class SourcePart(Part):
    """What every source has.

    Attributes:
        name: name of the source in the data set.
        root: its folder, relative to the recipe, or `package:NAME/FOLDER`.
        license: licence of what it holds.
        split: split of all its scenes; `folders` takes it from the first folder of each path, `train`, `val`, `validation` or `test`; null
            draws it by scene.
    """

    name: Name
    root: str = Field(min_length=1)
    license: str = "unknown"
    split: Literal["train", "val", "test", "folders"] | None = None

    @classmethod
    def name_kind(cls) -> str:
        """What a recipe calls this kind of source."""
        return str(get_args(cls.model_fields["kind"].annotation)[0])

    def resolve_root(self, base: Path) -> Path:
        """The folder that `root` means: relative to the recipe, or inside an installed package (`package:skimage/data`).

        Raises:
            MissingSourceError: if it is not there.
        """
        if self.root.startswith(PACKAGE_PREFIX):
            package, _, inner = self.root.removeprefix(PACKAGE_PREFIX).partition("/")
            try:
                folder = _find_package(package) / inner
            except ModuleNotFoundError as error:
                raise MissingSourceError(f"source {self.name!r}: root: {error}") from None
        else:
            folder = base / self.root
        if not folder.is_dir():
            raise MissingSourceError(
                f"source {self.name!r}: root: no folder {folder}; correct the path (relative to {base})"
            )
        return folder.resolve()

    def find_split(self, path: str) -> str | None:
        """The split that the source's own layout gives a photograph or burst at `path`, below its root; None if it gives none."""
        return _SPLITS_OF_FOLDERS.get(PurePosixPath(path).parts[0]) if self.split == "folders" else self.split


def _find_package(package: str) -> Path:
    """The folder of an installed package, which is not imported: a recipe may stand in a data set of others.

    Raises:
        ModuleNotFoundError: if there is none.
    """
    # To find what is inside a package, Python would import it.
    if not package.isidentifier():
        raise ModuleNotFoundError(
            f"expected {PACKAGE_PREFIX}NAME/FOLDER, such as {PACKAGE_PREFIX}skimage/data, got the name {package!r}"
        )
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # of a package that was imported and changed itself
        spec = None
    if spec is None:
        raise ModuleNotFoundError(f"the package {package!r} is not installed")
    if spec.origin is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package!r} is a module without a folder; name an installed package that holds one")
    return Path(spec.origin).parent


def require_inside(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Raise ValueError unless all paths are POSIX paths that stay below their root."""
    for path in paths:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or "\\" in path:
            raise ValueError(f"{path!r} leaves root; expected POSIX paths below root, or choose another root")
    return paths


def require_one_of(value: str, allowed: Iterable[str]) -> str:
    """Raise ValueError unless a value is one of some words."""
    if value not in allowed:
        raise ValueError(f"expected one of {', '.join(sorted(allowed))}, got {value!r}")
    return value


def _freeze_lists(value: Any) -> Any:
    """Plain data with tuples for lists: strict checking takes no list where a tuple is meant."""
    if isinstance(value, dict):
        return {key: _freeze_lists(item) for key, item in value.items()}
    return tuple(_freeze_lists(item) for item in value) if isinstance(value, list) else value
