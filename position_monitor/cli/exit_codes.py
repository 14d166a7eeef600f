"""What the exit status of a command means (DESIGN 6). Scripts and units depend on these numbers."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of the process."""

    OK = 0
    """`status`: every managed position is protected. `plan`: nothing to do. `verify`: Redis and the venue agree."""
    ERROR = 1
    """The question could not be answered, or the command line was wrong."""
    ATTENTION = 2
    """`status`: something is not protected. `plan`: there are changes to make. `verify`: Redis and the venue differ."""
    NOT_HEARD = 3
    """`status`: Redis answers, the daemon does not."""
    BAD_CONFIG = 78
    """EX_CONFIG: the configuration cannot be used; systemd does not restart the unit on it."""
    INTERRUPTED = 130
    """Ctrl-C."""
