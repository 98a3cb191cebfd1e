"""Errors that a user sees: each says what is wrong, where, and the mend."""

from __future__ import annotations


class SignalMartsError(Exception):
    """Something that the user can mend; shown as one message, without a traceback.

    ``exit_code`` is the process's exit code (the README lists them).
    """

    exit_code = 1


class UsageError(SignalMartsError):
    """What the user gave is wrong: an option, a setting or a file."""

    exit_code = 2


class Failure(SignalMartsError):  # noqa: N818 - an outcome that was already told, not a fault
    """The command did its work, and what it found is not well."""
