"""Tell whether a server answers: `python -m tests.support.reached URL`."""

from __future__ import annotations

import sys

from tests.support.places import ask

if __name__ == "__main__":
    try:
        print(ask(sys.argv[1], "SELECT version()")[0][0])
    except Exception as error:  # whatever it is, there is no answer yet
        sys.exit(str(error))
