"""Many processes, killed anywhere, under load: what the tests do in small, done for longer."""
