"""Packages that only some files need."""

from __future__ import annotations

from dataset_builder.errors import SourceError
from restorers.errors import MissingExtraError


class MissingReaderError(MissingExtraError, SourceError):
    """A file needs a package that is not installed; it costs its own burst only."""
