"""The servers that are measured, one at a time, and what their processes use. Linux only."""

import os
import re
import subprocess
import sys
import time
import urllib.request

from nginx import Nginx
from program import HEAPSERVE, ROOT, Announced
from server import Server
from waiting import wait_until

NGINX = """sendfile SENDFILE; tcp_nopush on; keepalive_requests 100000000;
  server { listen 127.0.0.1:PORT backlog=4096; root WORK; default_type video/mp4; READY }"""


class Measured:
    """A server of a kind that serves a file, for `with`. It has compared the file, byte for byte."""

    def __init__(self, kind, file, work, programs):
        self.kind, self.file = kind, file
        self.started = start(kind, file, work, programs)
        try:
            self.pids = [self.started.pid]
            if kind.startswith("nginx"):
                cores = os.cpu_count()
                wait_until(lambda: len(children(self.started.pid)) == cores)
                self.pids += children(self.started.pid)
            self.url = self.started.url + file.name
            self.port = int(re.search(r":(\d+)/", self.url)[1])
            with urllib.request.urlopen(self.url, timeout=60) as answer:
                if answer.read() != file.read_bytes():
                    raise RuntimeError(f"{kind} does not serve the file as it is")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # How it ends is not measured; most end by the signal.
        self.started.kill() if isinstance(self.started, Server) else self.started.__exit__()

    def cpu_ms(self):
        """User and system time of all threads, also of those that have ended."""
        # The clock that clock_getcpuclockid(3) returns for a process; /proc/PID/stat only has ticks of 10 ms.
        return sum(1000 * time.clock_gettime(~pid << 3 | 2) for pid in self.pids)

    def pss_kib(self):
        """The resident set, but a page that processes share counts for each of them only in part, so once in the sum."""
        total = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        return total


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as numbers:
        return [int(number) for number in numbers.read().split()]


def start(kind, file, work, programs):
    """`programs` has a heapserve for "before" and "now". A trace goes to a file where `kind` does not say otherwise."""
    name, _, what = kind.partition("-")
    if name == "nginx":
        http = NGINX.replace("WORK", str(work)).replace("SENDFILE", "off" if what == "copies" else "on")
        return Nginx(work / f"nginx-{time.monotonic_ns()}", http, workers=os.cpu_count())
    if name == "node":
        return Announced("node", ROOT / "scripts" / "peers" / f"{what}.mjs", file, "0", stderr=subprocess.DEVNULL)
    if name == "python":
        # -u: the line with the address must not wait in a buffer. It logs each request, as the traced heapserve does.
        return Announced(sys.executable, "-u", "-m", "http.server", "-b", "127.0.0.1", "-d", work, "0", stderr=subprocess.DEVNULL)
    mode = what if name in ("heapserve", "traced") else "stream"
    trace = "off" if name == "heapserve" or what == "off" else "text"
    with open(os.devnull if what == "null" else work / "trace", "wb") as stderr:
        program = programs.get(name, HEAPSERVE)
        return Server(program, file, "--mode", mode, "--bind", "127.0.0.1", trace=trace, stderr=stderr)
