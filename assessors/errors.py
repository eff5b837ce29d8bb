"""What can be wrong with an assessor, its file or its predictions; every message names the way out."""


class AssessorError(Exception):
    """Base of all errors raised by this package on purpose."""


class UnknownAssessorError(AssessorError, LookupError):
    """No assessor goes by that name."""

    def __str__(self) -> str:
        """The message itself: LookupError would show its repr."""
        return str(self.args[0]) if self.args else ""


class InvalidAssessorError(AssessorError, ValueError):
    """A file of a model is damaged, of another version, or of something else; or an assessor gave scores of the wrong number."""


class TrainingRecipeError(AssessorError, ValueError):
    """A recipe of a training has an unknown key, a wrong type or an impossible value."""


class PredictionError(AssessorError, ValueError):
    """Predictions do not fit the data set that they are to be judged on."""


class MissingPackageError(AssessorError, ImportError):
    """A package is not installed that not everybody needs."""
