"""The protocol (plan, lock, plan again, run, read back) and the run."""

from .protocol import migrate, plan

__all__ = ["migrate", "plan"]
