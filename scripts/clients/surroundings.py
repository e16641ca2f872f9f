"""What stands around the server: other processes that hold its file, a terminal, an odd name."""

import fcntl
import os
import pty
import select
import signal
import time
from urllib.parse import quote

from caches import replaced
from downloads import ARIA2, equal
from program import FILM, HEAPSERVE
from server import Server
from waiting import PATIENCE_SECONDS

STREAM = ("--mode", "stream")
# curl reads the form of the name for clients that know ASCII alone.
ODD_NAME, ASCII_NAME = 'Schnee "weiß" 100%.mp4', "Schnee _wei__ 100_.mp4"


def lease(box, gives_way, wanted):
    """A process has a write lease on the file, as Samba takes them. The system asks it to give way when the server
    opens the file, and it does a little later, or never."""
    file = box.folder / "film.mp4"
    file.write_bytes(b"x" * 1000)
    with Server(HEAPSERVE, file, *STREAM) as server, open(file, "r+b") as holder:

        def asked(*_):
            if gives_way:
                time.sleep(0.2)
                fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_UNLCK)

        signal.signal(signal.SIGIO, asked)
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        box.get("-r", "0-0", url=server.url, write="%{http_code} %header{retry-after}", wanted=wanted)


def terminal_without_colours(box):
    """The trace on a terminal that has none."""
    ours, theirs = pty.openpty()
    os.environ["TERM"] = "dumb"
    with Server(HEAPSERVE, FILM, *STREAM, trace="text", stderr=theirs) as server:
        box.get("-r", "0-0", url=server.url, wanted="206")
        shown = b""
        while b" 206 " not in shown and select.select([ours], [], [], PATIENCE_SECONDS)[0]:
            shown += os.read(ours, 65536)
        assert b" 206 " in shown and b"\x1b" not in shown, shown[-300:]


def odd_name(box):
    (box.folder / ODD_NAME).symlink_to(FILM)
    for mode in ("buffer", "stream"):
        with Server(HEAPSERVE, box.folder / ODD_NAME, "--mode", mode) as server:
            box.get("--create-dirs", "--output-dir", mode, to=["-OJ"], url=server.url + quote(ODD_NAME))
            box.run(*ARIA2, "-d", mode, server.url)
        names = sorted(each.name for each in (box.folder / mode).iterdir())
        equal(names, [ODD_NAME, ASCII_NAME], f"names from {mode}")
        for name in names:
            box.is_file(f"{mode}/{name}")


SURROUNDINGS = [
    ("a file that another process holds for 0.2 s: waits", lease, True, "206 "),
    ("a file that another process goes on holding: 503", lease, False, "503 1"),
    ("TERM=dumb: no colours", terminal_without_colours),
    ("curl -OJ and aria2: a name with quotes, spaces, percent, ß", odd_name),
    ("a file that is replaced 50 times, behind a cache", replaced),
]
