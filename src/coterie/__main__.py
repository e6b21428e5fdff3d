"""`python -m coterie` is the `coterie` command."""

import sys

from coterie.app.main import main

if __name__ == "__main__":
    sys.exit(main())
