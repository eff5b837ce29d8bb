"""What all parts of a recipe share: strictness, names, and where a source lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dataset_builder.settings.roots import NO_ROOTS, find_root, split_root

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
SourceSplit = Literal["train", "val", "test", "folders", "scenes"]
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


class ExpectedCounts(Part):
    """How much a source is known to hold.

    Attributes:
        bursts: crops not counted, unless they stand for the whole.
        frames: of real bursts together; null where it is not known.
    """

    bursts: int = Field(ge=1)
    frames: int | None = Field(default=None, ge=1)


class SourcePart(Part):
    """What every source has.

    Attributes:
        name: name of the source in the data set.
        root: its folder, relative to the recipe, `package:NAME/FOLDER`, or `$NAME/FOLDER`, whose NAME is said when the recipe is built.
        license: licence of what it holds.
        split: split of all its scenes; `folders` takes it from the first folder of each path, `train`, `val`, `validation` or `test`;
            `scenes` draws it by scene; null does so, too, where the source has no lists of its own.
        limit: at most so many photographs or bursts are taken, drawn by their paths; null for all.
        expected: what is known of how much it holds; null for nothing.
    """

    name: Name
    root: str = Field(min_length=1)
    license: str = "unknown"
    split: SourceSplit | None = None
    limit: int | None = Field(default=None, ge=1)
    expected: ExpectedCounts | None = None

    @classmethod
    def name_kind(cls) -> str:
        """What a recipe calls this kind of source."""
        return str(get_args(cls.model_fields["kind"].annotation)[0])

    @field_validator("root")
    @classmethod
    def _check_root(cls, value: str) -> str:
        split_root(value)
        return value

    def resolve_root(self, base: Path, roots: Mapping[str, Path] = NO_ROOTS) -> Path:
        """The folder that `root` means: relative to the recipe, inside an installed package (`package:skimage/data`), or of a named root.

        Raises:
            UnsetRootError: if it is a named root that `roots` lacks.
            MissingSourceError: if it is not there.
        """
        return find_root(self.name, self.root, base, roots)

    def find_split(self, path: str) -> str | None:
        """The split that the source's own layout gives a photograph or burst at `path`, below its root; None if it gives none."""
        if self.split == "scenes":
            return None
        return _SPLITS_OF_FOLDERS.get(PurePosixPath(path).parts[0]) if self.split == "folders" else self.split


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
