"""PySyncObj's own tests, from a checkout of its repository, on the installed release or on ours.

    PYSYNCOBJ_CHECKOUT=../PySyncObj python -m tests.verify.pysyncobj_suite stock|ours [PYTEST OPTION...]

Nothing of them is copied: they run as they are, with our `SyncObj` in the place of theirs for `ours`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pysyncobj  # type: ignore[import-untyped]
import pytest

SECONDS_A_TEST = 300


def main(engine: str, *options: str) -> int:
    checkout = os.environ.get("PYSYNCOBJ_CHECKOUT")
    if checkout is None:
        sys.exit("PYSYNCOBJ_CHECKOUT must name a checkout of github.com/bakwc/PySyncObj")
    suite = Path(checkout).resolve() / "test_syncobj.py"
    if engine == "ours":
        from coterie.consensus.pysyncobj import SyncObj  # not for `stock`: it repairs what PySyncObj's import breaks

        pysyncobj.SyncObj = SyncObj  # before the tests import it
    with tempfile.TemporaryDirectory(prefix="pysyncobj-suite-", ignore_cleanup_errors=True) as directory:
        os.chdir(directory)  # the tests write their files where they are
        arguments = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", directory, "--tb=line"]
        arguments += [f"--timeout={SECONDS_A_TEST}", "--show-capture=no", "-rfE", *options, str(suite)]
        return int(pytest.main(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
