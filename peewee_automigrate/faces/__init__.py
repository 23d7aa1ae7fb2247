"""What a person meets: the command line, the Flask extension, the terminal."""
