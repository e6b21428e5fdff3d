"""`python -m app` is `coterie`."""

import sys

from app.main import main

sys.exit(main())
