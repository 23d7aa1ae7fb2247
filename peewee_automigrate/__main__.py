"""``python -m peewee_automigrate`` is the command line."""

from .faces.cli import main

main(prog_name="peewee-automigrate")
