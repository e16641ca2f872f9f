"""Starts heapserve, waits until it is ready, reads its figures, and stops it.

    stop_servers_on_signals()
    with Server(program, file, "--mode", "buffer") as server:
        print(server.url, server.figures()["live"], server.requests())

What is read from /proc is there on Linux only, and so are limits.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

from client import ask, connect, request
from program import Announced
from waiting import wait_until


def stop_servers_on_signals():
    """Makes Ctrl-C, SIGTERM and SIGHUP end this program silently: `with` and `finally` blocks are left in order."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP.
            signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))


class Server(Announced):
    """A heapserve that is ready for connections.

    `port` 0 takes a free one. The trace comes as JSON, one string for each line in `lines`, as it is written; or
    the descriptor `stderr` gets it. `descriptors` and `threads` limit how many the server may have. The limit of
    threads does not bind root, so for root the server then runs as a user that has no other process. `program` may
    be a list, such as wine and its program.
    """

    def __init__(self, program, file, *options, port=0, trace="json", descriptors=None, threads=None, stderr=None):
        program, user = program if isinstance(program, list) else [program], {}
        if threads and os.geteuid() == 0:
            user = {name: 30_000 + os.getpid() for name in ("user", "group")} | {"extra_groups": []}
        elif threads:
            # The limit is for all threads of a user.
            threads += len(subprocess.check_output(["ps", "-LU", str(os.getuid())]).splitlines())
        limits = [f"--{name}={most}" for name, most in (("nofile", descriptors), ("nproc", threads)) if most]
        command = [*(["prlimit", *limits] if limits else []), *program, "--port", str(port), "--trace", trace]
        super().__init__(*command, *options, file, stderr=stderr or subprocess.PIPE, **user)
        self.origin = self.url.rstrip("/")  # `url` has a slash at its end.
        self.lines = []
        if not stderr:
            self.follow(self.process.stderr, self.lines.append)

    def stop(self):
        """Ends it as Ctrl-C does, without waiting for running answers. Raises where the exit code is not 0."""
        if os.name == "nt":  # Windows cannot send Ctrl-C to one program.
            return self.kill()
        try:
            # Again and again: the second signal ends running answers.
            wait_until(lambda: self.process.send_signal(signal.SIGINT) or self.process.poll() is not None)
            code = self.process.poll()
        finally:
            self.kill()
        if code != 0:
            raise RuntimeError("SIGINT did not end the server" if code is None else f"the server's exit code is {code}")

    def __exit__(self, kind, *_):
        # An error of the block itself comes first.
        if kind:
            self.kill()
        else:
            self.stop()

    def events(self):
        """The JSON trace so far. Raises where a line is not JSON."""
        try:
            return [json.loads(line) for line in list(self.lines)]
        except json.JSONDecodeError as error:
            raise RuntimeError(f"the trace has the line {error.doc!r}") from error

    def requests(self):
        """The requests in the JSON trace so far."""
        return [event for event in self.events() if event["event"] == "request"]

    def figures(self):
        """What /heap.json says. Asks again where the connection ends without an answer: a server that is short of
        descriptors may close it."""
        found = []

        def is_told():
            with suppress(OSError):
                found.append(ask(self.port, request(close=True, target="/heap.json")))
            return found and found[-1][0] == 200

        if wait_until(is_told) is None:
            raise RuntimeError(f"/heap.json is not answered but with {found[-1:]}")
        return json.loads(found[-1][1])

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self, field="VmRSS"):
        """The resident set now; with the field "VmHWM", its peak."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field))

    def connect(self, **how):
        """A connection to it, see client.connect()."""
        return connect(self.port, **how)
