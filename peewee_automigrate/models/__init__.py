"""What the caller names -> models -> the tables that they declare."""
