"""heapserve as a user starts it, and what /proc says of it, for the stress rows."""

import json
import os
import pwd
import re
import resource
import select
import signal
import subprocess
import threading
import time
import urllib.request

from client import HOST, connect

# For the ready line, and for the end after two signals.
PATIENCE_SECONDS = 10


class Server:
    """The program on a free port, with its JSON trace in `lines`. Ends with its `with` block, in any case.

    `descriptors` and `threads` limit what it may have. With a limit of threads it runs as nobody where this user
    is root, whom no such limit binds. `stderr`, a descriptor, takes the trace instead of `lines`.
    """

    def __init__(self, program, file, *options, trace="json", descriptors=None, threads=None, stderr=None):
        nobody = pwd.getpwnam("nobody") if threads and os.geteuid() == 0 else None
        threads_most = threads and threads_of(nobody.pw_uid if nobody else os.getuid()) + threads

        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
            if threads:
                resource.setrlimit(resource.RLIMIT_NPROC, (threads_most, threads_most))
            if nobody:
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)

        command = [program, "--port", "0", "--trace", trace, *options, file]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr or subprocess.PIPE, text=True, preexec_fn=limit
        )
        self.pid = self.process.pid
        self.lines = []
        self.reader = None
        if not stderr:
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
        try:
            self.port = self._port()
        except BaseException:
            self._kill()
            raise

    def _port(self):
        ready = ""
        if select.select([self.process.stdout], [], [], PATIENCE_SECONDS)[0]:
            ready = self.process.stdout.readline()
        found = re.search(r":(\d+)/", ready)
        if not found:
            raise RuntimeError(f"no ready line but {ready!r}; stderr: {self.lines[:3]}")
        return int(found.group(1))

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def _kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            for _ in range(2):
                # Does nothing once it has ended.
                self.process.send_signal(signal.SIGINT)
                time.sleep(0.05)
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            # What the row itself met comes first.
            if kind is None:
                raise RuntimeError(f"two SIGINT did not end it within {PATIENCE_SECONDS} s") from None
        finally:
            self._kill()
            if self.reader:
                self.reader.join(5)
                self.process.stderr.close()

    def ends_after(self, signal_number, seconds):
        """Sends the signal; after how long the program has ended, or None: then it is killed."""
        start = time.monotonic()
        self.process.send_signal(signal_number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._kill()
            return None
        return time.monotonic() - start

    def events(self):
        """The trace so far; raises where a line is no JSON object."""
        return [json.loads(line) for line in list(self.lines)]

    def requests(self):
        return [event for event in self.events() if event["event"] == "request"]

    def figures(self):
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/heap.json", timeout=10) as answer:
            return json.load(answer)

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self, field="VmRSS"):
        """The resident set now; with "VmHWM" the most that it ever was, as the kernel counted it."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field))

    def cpu_seconds(self):
        """Time on a CPU of all its threads, those that have ended included, to the nanosecond."""
        # What clock_getcpuclockid(3) makes of a process number.
        return time.clock_gettime(~self.pid << 3 | 2)

    def connect(self, **how):
        return connect(self.port, **how)


def threads_of(uid):
    """How many threads this user has: what RLIMIT_NPROC counts."""
    count = 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{process}").st_uid == uid:
                count += len(os.listdir(f"/proc/{process}/task"))
        except OSError:  # It has ended.
            pass
    return count
