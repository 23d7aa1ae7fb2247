"""What a person meets: the command line, the Flask extension, the terminal."""

OURS = "peewee_automigrate.command"
"""Is in the `meta` of click's context wherever one of our commands runs."""
