"""PySyncObj's own tests, from a checkout of its repository, on the installed release or on ours.

    PYSYNCOBJ_CHECKOUT=../PySyncObj python -m tests.verify.pysyncobj_suite stock|ours [PYTEST OPTION...]

Nothing of them is copied: they run as they are, with our `SyncObj` in the place of theirs for `ours`. They look at a
few private attributes of PySyncObj, which ours has not: `pysyncobj_views.py` shows them what stands there instead.
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
        # Not for `stock`: they repair what PySyncObj's import breaks. Before the tests import theirs.
        from pysyncobj import syncobj_admin

        from coterie.consensus.pysyncobj.admin import executeAdminCommand
        from tests.verify.pysyncobj_views import ViewedSyncObj

        pysyncobj.SyncObj = ViewedSyncObj
        syncobj_admin.executeAdminCommand = executeAdminCommand
    with tempfile.TemporaryDirectory(prefix="pysyncobj-suite-", ignore_cleanup_errors=True) as directory:
        os.chdir(directory)  # the tests write their files where they are
        arguments = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", directory, "--tb=line"]
        arguments += [f"--timeout={SECONDS_A_TEST}", "--show-capture=no", "-rfE", *options, str(suite)]
        return int(pytest.main(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
