"""The exception tree: every error a user can cause, with the exit code the process ends with."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED_CALLS = 1
EXIT_USAGE = 1
EXIT_NO_CALLS = 97
EXIT_THRESHOLD = 98
EXIT_INFORMATION = 99
EXIT_ADDRESS_IN_USE = 254
EXIT_FATAL = 255


class SippxError(Exception):
    """Base of all errors reported to the user as one line; `exit_code` is the process's."""

    exit_code: int = EXIT_FATAL


class UsageError(SippxError):
    """The command line or an `Options` value is wrong."""

    exit_code = EXIT_USAGE


class ScenarioError(SippxError):
    """A scenario cannot be used; `str()` is `file:line:column: message` as far as known.

    line and column count from 1; None where the place is the whole file.
    """

    exit_code = EXIT_USAGE

    def __init__(
        self, message: str, *, file: str, line: int | None = None, column: int | None = None
    ) -> None:
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{place}: {message}")
        self.message = message
        self.file = file
        self.line = line
        self.column = column


class StartError(SippxError):
    """The run cannot start after the scenario was read (host unknown, file not writable, ...)."""


class AddressInUseError(StartError):
    """A local address or port cannot be bound because somebody else has it."""

    exit_code = EXIT_ADDRESS_IN_USE


class RunError(SippxError):
    """A running test was ended by an error (`-timeout_error`, a failing plug-in, ...)."""
