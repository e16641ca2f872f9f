"""What stands around the server: other processes that hold its file, a terminal, an odd name."""

import fcntl
import os
import pty
import select
import signal
import threading

from downloads import ODD_NAME, equal
from program import HEAPSERVE
from server import Server

STREAM = ("--mode", "stream")


def lease(hold_seconds, wanted):
    """A process that has a write lease on the file, as Samba takes them, is asked by the system to give way."""

    def check(box):
        file = box.folder / "film.mp4"
        file.write_bytes(b"x" * 1000)
        with Server(HEAPSERVE, file, *STREAM) as server:
            holder = os.open(file, os.O_RDWR)
            previous = signal.signal(signal.SIGIO, signal.SIG_IGN)
            fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            release = threading.Timer(hold_seconds, lambda: fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_UNLCK))
            release.start()
            try:
                equal(box.get_status_and("retry-after", server.url), wanted, "status and Retry-After")
            finally:
                release.join()
                os.close(holder)
                signal.signal(signal.SIGIO, previous)

    return check


def terminal_without_colours(box):
    """The trace on a terminal that has none."""
    ours, theirs = pty.openpty()
    before, os.environ["TERM"] = os.environ.get("TERM"), "dumb"
    with Server(HEAPSERVE, box.file, *STREAM, trace="text", stderr=theirs) as server:
        os.environ["TERM"] = before or "dumb"
        box.get("-r", "0-0", "-o", "/dev/null", url=server.url)
        shown = b""
        while b" 206 " not in shown and select.select([ours], [], [], 20)[0]:
            shown += os.read(ours, 65536)
        assert b" 206 " in shown and b"\x1b" not in shown, shown[-300:]
    os.close(ours)
    os.close(theirs)


def aria2_saves_own_name(box):
    file = box.folder / ODD_NAME
    file.symlink_to(box.file)
    with Server(HEAPSERVE, file, *STREAM) as server:
        box.run("aria2c", "--no-conf", "-q", "-d", "saved", server.url)
    equal([each.name for each in (box.folder / "saved").iterdir()], [ODD_NAME], "name")


SURROUNDINGS = [
    ("a file that another process holds for 0.3 s: waits", lease(0.3, "206 ")),
    ("a file that another process holds for 3 s: 503", lease(3, "503 1")),
    ("TERM=dumb: no colours", terminal_without_colours),
    ("aria2: a name with quotes, spaces, percent, ß", aria2_saves_own_name),
]
