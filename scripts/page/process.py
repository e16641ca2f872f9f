"""Programs that the check starts, and that never outlive it."""

import atexit
import os
import signal
import subprocess

from waiting import PATIENCE_SECONDS

_running = []


@atexit.register
def stop_all():
    """Ends them, the last one first."""
    while _running:
        stop(_running[-1])


def start(command, **how):
    """Starts a program in a group of its own, so that its children end with it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **how)
    _running.append(process)
    return process


def stop(process):
    """Ends the program and its children."""
    _running.remove(process)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(PATIENCE_SECONDS if number == signal.SIGKILL else 5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def first_match(stream, pattern):
    """The first group of the first line that has this in it. Reads on until then; raises at the end of the stream."""
    for line in stream:
        found = pattern.search(line)
        if found:
            return found[1]
    raise RuntimeError(f"the program ended before it wrote {pattern.pattern!r}")
