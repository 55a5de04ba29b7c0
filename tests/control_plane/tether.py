"""Becomes another program that the kernel kills when the process that asked for it dies.

Run as a script, so that no code of ours runs between fork and exec in a process with threads:
`python tether.py PARENT PROGRAM ARGUMENT...`. Where there is no prctl (macOS) it only becomes the
program, and an interrupted test run is tidied by `atexit` alone. The kernel counts the death of
the *thread* that started us, so programs are started from threads that last.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def become(parent: int, command: list[str]) -> None:
    """Never returns: the process id stays, the program changes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            sys.exit("the process that asked is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
