"""The one exception tree: every error says what came, what was expected and what to do."""


class RetouchError(Exception):
    """Base of all errors a user can cause or mend; `exit_code` is what the command line returns."""

    exit_code = 1


class SettingsError(RetouchError):
    """A setting is out of its range or of the wrong kind."""

    exit_code = 2


class ImageError(RetouchError):
    """An input image is missing, broken, too large, too small or of an unsupported format."""

    exit_code = 3


class ModelError(RetouchError):
    """A checkpoint is missing, incomplete, of the wrong kind or unsafe to open."""

    exit_code = 4


class OutputError(RetouchError):
    """A result cannot be written where it was asked for."""

    exit_code = 5


class DataError(RetouchError):
    """Records, shards or a folder of pictures are missing, broken or inconsistent."""

    exit_code = 6


class TrainingError(RetouchError):
    """Training cannot start or go on; the last good checkpoint stays."""

    exit_code = 7


class MissingExtraError(RetouchError):
    """A feature needs an optional dependency that is not installed."""

    exit_code = 8


class NotFoundError(RetouchError):
    """What was to be found is not in the picture."""

    exit_code = 9


class DesignError(RetouchError):
    """A change of a tree of edits that cannot be made, or an archive of one that cannot be read."""

    exit_code = 10


class ServerError(RetouchError):
    """The server cannot start, or cannot do what it was asked for."""

    exit_code = 11


class Cancelled(RetouchError):
    """The work was interrupted at the caller's wish."""

    exit_code = 130
