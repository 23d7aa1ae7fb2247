"""The protocol (plan, lock, plan again, run, read back) and the run."""

import logging

from .protocol import migrate, plan

__all__ = ["migrate", "plan"]

logging.getLogger("peewee_automigrate").addHandler(logging.NullHandler())
