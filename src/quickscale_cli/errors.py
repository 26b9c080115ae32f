from __future__ import annotations


class CommandError(Exception):
    """What a command can't do, in a sentence for the person who gave it; exit code 1."""
