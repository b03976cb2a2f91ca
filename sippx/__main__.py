"""`python -m sippx` is the command sippx."""

import sys

from sippx.cli import main

if __name__ == "__main__":
    sys.exit(main())
