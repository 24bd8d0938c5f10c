"""`python -m promptd`, and the function behind the installed `promptd` script.

A command runs for a fraction of a second, most of it imports, so the garbage collector is switched off:
editors and shells call `promptd assemble` while a person waits.
"""

import gc
import sys

gc.set_threshold(50_000)  # about what the imports of a command make; none of it is garbage

from promptd.cli import app  # noqa: E402 - after the line above, which is for this import


def main() -> int:
    """Run the command line and return the exit code of the process."""
    code = app.main()
    gc.freeze()  # the process ends: its last collections would look at everything for nothing
    return code


if __name__ == "__main__":
    sys.exit(main())
