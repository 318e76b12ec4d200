"""The errors that a user can act on, each with its exit code.

    ImgkitError                 (base, never raised itself)
    ├── UsageError              2  wrong arguments, CSV or folder
    ├── BelowTargetError        3  finished, but short of what was asked for some label
    ├── ResourceError           4  disk, permission, memory
    ├── LockedError             6  another process owns the data folder
    └── IntegrityError          7  the data folder contradicts itself

Exit code 5 (providers blocked us, lack a key or cannot be reached) is that of a harvest's report, not of an error.

The message is one line: what failed, where, the state of the data, what to do next. The command line adds the
name of the command in front and the reason code behind.
"""

from typing import ClassVar


class ImgkitError(Exception):
    """Something the user can act on; ``str(error)`` is the sentence to show.

    Args:
        message: what failed at what place, the state of the data, and what to do next.
        code: a reason code of :mod:`imgkit.reasons` or another dotted name for support, shown in brackets.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class UsageError(ImgkitError):
    """The command, a file or a folder it was given cannot be used as it is."""

    exit_code = 2


class BelowTargetError(ImgkitError):
    """The work is finished and saved, but some label has fewer images than asked for."""

    exit_code = 3


class ResourceError(ImgkitError):
    """Disk, permission or memory stopped the work; what was done is saved."""

    exit_code = 4


class LockedError(ImgkitError):
    """Another process is writing to the same data folder."""

    exit_code = 6


class IntegrityError(ImgkitError):
    """Manifest and files contradict each other."""

    exit_code = 7
