"""`python -m promptd`, and the function behind the installed `promptd` script."""

import sys

from promptd.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
