from __future__ import annotations


class CommandError(Exception):
    """A command can't do its work; the message says why, and the exit code is 1."""
