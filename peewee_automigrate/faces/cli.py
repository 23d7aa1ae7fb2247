"""The command line, under the name that the installed program calls."""

from .commands import main

__all__ = ["main"]
