"""What can be wrong with a burst, a scenario or a restorer; every message names the way out."""


class RestorerError(Exception):
    """Base of all errors raised by this package on purpose."""


class InvalidBurstError(RestorerError, ValueError):
    """The arrays or facts of a burst contradict each other."""


class UnknownScenarioError(RestorerError, LookupError):
    """No restorer goes by that name."""


class UntrustedScenarioError(UnknownScenarioError):
    """A name that stands in data is none of the built-in and installed scenarios; only a user may name code and files."""


class DuplicateScenarioError(RestorerError, ValueError):
    """Two restorers claim one scenario name."""


class InvalidRestorerError(RestorerError, TypeError):
    """An object that should be a restorer lacks what `restorers.base.Restorer` asks for."""


class UnsupportedBurstError(RestorerError, ValueError):
    """A restorer cannot work on this kind or length of burst."""


class RestorationError(RestorerError, ArithmeticError):
    """A restorer returned an image of the wrong shape, or one that is not finite."""


class AlignmentError(RestorerError, ArithmeticError):
    """Two frames cannot be registered to each other."""


class MissingExtraError(RestorerError, ImportError):
    """A package is not installed that not everybody needs.

    Args:
        user: what needs it.
        package: its name.
        extra: extra of this toolkit, which brings it.
        reason: why it cannot be imported, where it is not just absent.
    """

    def __init__(self, user: str, package: str, extra: str, reason: str = "") -> None:
        super().__init__(user, package, extra, reason)

    def __str__(self) -> str:
        """What to install."""
        user, package, extra, reason = self.args
        trouble = f", which cannot be imported ({reason})" if reason else ""
        return f"{user}: needs the package {package!r}{trouble}: pip install 'buiqa-toolkit[{extra}]'"


class MissingWeightsError(RestorerError, FileNotFoundError):
    """A metric needs a file of weights that is not there."""

    def __str__(self) -> str:
        """The message itself: OSError would look for an errno."""
        return str(self.args[0]) if self.args else ""


class UnknownArchitectureError(RestorerError, LookupError):
    """No network goes by that name."""


class UnavailableDeviceError(RestorerError, RuntimeError):
    """The device that was asked for is not there."""


class UnsafeWeightsError(RestorerError, ValueError):
    """A file of weights cannot be read without trusting it."""
