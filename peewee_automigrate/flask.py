"""The Flask extension, under the name by which applications import it."""

from .faces.flask import AutoMigrate

__all__ = ["AutoMigrate"]
