"""What can be wrong with a data set on disk; every message names the file and the way out."""


class ManifestError(Exception):
    """Base of all errors raised by this package on purpose."""


class MissingManifestError(ManifestError, FileNotFoundError):
    """A file that makes a folder a data set is not there."""


class FormatVersionError(ManifestError, ValueError):
    """The data set was written in another version of the format."""


class SchemaError(ManifestError, TypeError):
    """A table lacks a column or has one of the wrong type."""


class ImageFileError(ManifestError, ValueError):
    """An image file cannot be read as what it should be."""


class UnsafePathError(ManifestError, ValueError):
    """A path leaves the folder that it must stay in, goes through a link, or leads to something else than a plain file."""


class FileTooLargeError(ManifestError, ValueError):
    """A file that is larger than any of its kind."""


class SelectionError(ManifestError, LookupError):
    """A split, scenario or burst that the data set does not have."""

    def __str__(self) -> str:
        """The message itself: LookupError would show its repr."""
        return str(self.args[0]) if self.args else ""


class DefaultEstimatorWarning(UserWarning):
    """Labels by several estimators are there, none was named, and one was taken."""


class InvalidFractionsError(ManifestError, ValueError):
    """The shares of the splits contradict each other."""


class SplitListError(ManifestError, ValueError):
    """Lists of an official split that do not fit the data set."""


class OutputExistsError(ManifestError, FileExistsError):
    """A folder that is to be written holds something already."""


class MergeConflictError(ManifestError, ValueError):
    """Two data sets contradict each other."""


class StorageError(ManifestError, OSError):
    """Object storage cannot be reached, or does not hold what it should."""

    def __str__(self) -> str:
        """The message itself: OSError would look for an errno."""
        return str(self.args[0]) if self.args else ""
