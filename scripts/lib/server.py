"""Starts heapserve, waits until it is ready, reads its figures, and stops it.

    stop_servers_on_signals()
    with Server(program, file, "--mode", "buffer") as server:
        print(server.url, server.figures()["live"], server.requests())

A server that is not used with `with` needs a call of stop(). None outlives this program, unless that is killed by
SIGKILL. What is read from /proc is there on Linux only, and limits are on Unix.
"""

import atexit
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

from client import connect, read_answer, request
from waiting import PATIENCE_SECONDS, wait_until

_running = set()


@atexit.register
def _kill_all():
    for server in list(_running):
        server.kill()


def stop_servers_on_signals():
    """Makes SIGTERM and SIGHUP end this program as Ctrl-C does: `with` and `finally` blocks are left in order."""

    def leave(number, _):
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP.
            signal.signal(getattr(signal, name), leave)


class Server:
    """A heapserve that is ready for connections.

    `port` 0 takes a free one. The trace comes as JSON, one string for each line in `lines`, as it is written; or
    the descriptor `stderr` gets it. `descriptors` and `threads` limit how many the server may have. The limit of
    threads does not bind root, so for root the server then runs as a user that has no other process. `program` may
    be a list, such as wine and its program.
    """

    def __init__(
        self, program, file, *options, port=0, trace="json", descriptors=None, threads=None, stderr=None, folder=None
    ):
        command = [*(program if isinstance(program, list) else [program]), "--port", str(port), "--trace", trace, *options, file]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr or subprocess.PIPE,
            preexec_fn=_limits(descriptors, threads), cwd=folder,
        )
        _running.add(self)
        self.pid = self.process.pid
        self.lines = []
        self.reader = None
        try:
            if not stderr:
                self.reader = threading.Thread(target=self._read_trace, daemon=True)
                self.reader.start()
            # With its slash at the end; `origin` has none.
            self.url, self.port = self._await_ready_line()
        except BaseException:
            self.kill()
            raise
        self.origin = self.url.rstrip("/")

    def _read_trace(self):
        for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace"))

    def _await_ready_line(self):
        """The address in the line that the server prints when it accepts connections."""
        end = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        end.start()
        line = self.process.stdout.readline()
        end.cancel()
        found = re.match(rb".*(http://\S+?:(\d+)/).*\n", line)
        if not found:
            # What it said on stderr is complete only after its end.
            self.kill()
            raise RuntimeError(f"the server printed {line!r} and no ready line; stderr: {self.lines[:3]}")
        return found[1].decode(), int(found[2])

    def kill(self):
        """Ends it at once. Does nothing more where it has ended."""
        self.process.kill()
        self.process.wait()
        _running.discard(self)
        if self.reader:
            self.reader.join(PATIENCE_SECONDS)
            self.reader = None
            self.process.stderr.close()
        self.process.stdout.close()

    def stop(self):
        """Ends it as Ctrl-C does, without waiting for running answers. Raises where the exit code is not 0."""
        if os.name == "nt":  # Windows cannot send Ctrl-C to one program.
            return self.kill()
        try:
            if self.process.poll() is None:
                # The second signal ends running answers, so one of them is followed by another.
                wait_until(self._ends_soon_after_sigint)
            code = self.process.poll()
        finally:
            self.kill()
        if code != 0:
            raise RuntimeError("SIGINT did not end the server" if code is None else f"the server's exit code is {code}")

    def _ends_soon_after_sigint(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(0.1)
            return True
        except subprocess.TimeoutExpired:
            return False

    def __enter__(self):
        return self

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
        wait_until(lambda: found.append(self._ask_for_figures()) or found[-1])
        if not found[-1]:
            raise RuntimeError("/heap.json is not answered")
        return found[-1]

    def _ask_for_figures(self):
        try:
            with self.connect() as client:
                client.sendall(request(close=True, target="/heap.json"))
                status, body = read_answer(client)
        except OSError:
            return None
        return json.loads(body) if status == 200 else None

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self, field="VmRSS"):
        """The resident set now; with the field "VmHWM", its peak."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field))

    def cpu_seconds(self):
        """CPU time of all its threads, those that have ended included, to the nanosecond."""
        # The clock that clock_getcpuclockid(3) gives for a process.
        return time.clock_gettime(~self.pid << 3 | 2)

    def connect(self, **how):
        """A connection to it, see client.connect()."""
        return connect(self.port, **how)


def _limits(descriptors, threads):
    """What the new process calls before it becomes the server, to limit itself; or None."""
    if not descriptors and not threads:
        return None
    import resource  # Windows has none.

    # RLIMIT_NPROC counts all threads of a user. This one very likely has no process.
    user = 30_000 + os.getpid() if threads and os.geteuid() == 0 else None
    threads_most = threads and threads + (0 if user else _threads_of(os.getuid()))

    def limit():
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        if threads:
            resource.setrlimit(resource.RLIMIT_NPROC, (threads_most, threads_most))
        if user:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)

    return limit


def _threads_of(uid):
    """How many threads this user has."""
    count = 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{process}").st_uid == uid:
                count += len(os.listdir(f"/proc/{process}/task"))
        except OSError:
            pass  # It has ended.
    return count
