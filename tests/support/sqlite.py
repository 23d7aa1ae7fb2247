"""How tests open SQLite files: nothing in them outlives the run, so that no disk is waited for."""

PRAGMAS = {"synchronous": 0, "journal_mode": "memory"}
