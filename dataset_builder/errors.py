"""What can be wrong with a recipe, a source or an output folder; every message names the way out."""


class BuildError(Exception):
    """Base of all errors raised by this package on purpose."""


class RecipeError(BuildError, ValueError):
    """A recipe has an unknown key, a wrong type or an impossible value."""


class NoiseProfileError(RecipeError):
    """A preset takes its noise from a file of profiles that is not there, is malformed, or does not know the camera at that ISO."""


class SourceError(BuildError, ValueError):
    """A photograph, frame or folder cannot be used; it costs its own bursts only."""


class MissingSourceError(SourceError, FileNotFoundError):
    """A file or folder named in the recipe is not there."""


class UnsetRootError(MissingSourceError):
    """Nobody said which folder the named root of a source is."""


class UnreadableImageError(SourceError):
    """A file is not an image, or a damaged one."""


class PhotographTooSmallError(SourceError):
    """A photograph has no room for the frames and their motion."""


class SceneTooSmallError(SourceError):
    """Scenes to be drawn have no room for the frames and the motion of their layers."""


class ScreenedOutError(SourceError):
    """A photograph is not used, for reasons that its owner may set: it is left out, and nothing failed."""


class ClippedPhotographError(ScreenedOutError):
    """Too much of a photograph is saturated: nobody knows what was there."""


class BlurredPhotographError(ScreenedOutError):
    """A photograph is blurred: no truth for sharp images."""


class NearDuplicateError(ScreenedOutError):
    """A photograph shows what another one of its source shows."""


class UnsupportedSensorError(SourceError):
    """A RAW file is not of a Bayer sensor."""


class UnsupportedColorError(UnreadableImageError):
    """What the numbers of a picture mean cannot be turned into sRGB."""


class HostileFileError(SourceError):
    """A file tries to do more than hold data."""


class ChangedSourceError(SourceError):
    """A file was replaced between when it was hashed and when it was read."""


class DuplicateFrameError(SourceError):
    """Two frames of one burst hold the same pixels."""


class FrameSizeError(SourceError):
    """Frames of one burst differ in size or kind."""


class DuplicateOriginError(SourceError):
    """Two files or folders of one source hold the same pixels."""


class TooFewFramesError(SourceError):
    """A burst has fewer than two frames."""


class UnsoundRestorerError(BuildError, ValueError):
    """What a restorer returns is no image that labels could be computed from."""


class OutputError(BuildError, OSError):
    """The output folder cannot be used."""

    def __str__(self) -> str:
        """The message itself: OSError would look for an errno."""
        return str(self.args[0]) if self.args else ""


class LockedError(OutputError):
    """Another build works on the same data set."""


class AlteredError(BuildError):
    """A table is not what this toolkit wrote, and the command at hand does not make it anew."""


class WorkerDiedError(BuildError, RuntimeError):
    """A unit of work killed the process that ran it."""


class ClusterError(BuildError):
    """A cluster cannot be reached or its workers cannot do the work."""
