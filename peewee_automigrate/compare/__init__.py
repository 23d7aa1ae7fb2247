"""(declared, actual) -> what is missing, and what differs. Pure: no peewee, no dialect."""
