"""Sees to it that a command does not outlive the `coterie` that ran it under a lock, not even where that was killed.

A process of its own, which leads the group of processes that the command joins, and waits on a pipe for the end of
`coterie`, which kills it before where all is in good order. Signals to the group are none to it: it begins with them
blocked. Started as a script, without the package: it shall be there at once, and takes little.
"""

import os
import signal
import sys
import time


def main() -> None:
    """The one argument: seconds from SIGTERM to SIGKILL."""
    while os.read(0, 1):
        pass
    if os.getpgrp() != os.getpid():
        return
    os.killpg(os.getpid(), signal.SIGTERM)
    os.killpg(os.getpid(), signal.SIGCONT)  # what is stopped could not end
    time.sleep(float(sys.argv[1]))
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
