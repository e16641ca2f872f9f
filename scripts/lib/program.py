"""What the checks in Python share: messages, the tools that they need, the program, and how they start programs."""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
# cargo reads a relative one from the folder in which it is called, as is done here.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
HEAPSERVE = TARGET / "release" / ("heapserve.exe" if os.name == "nt" else "heapserve")
FILM = ROOT / "media" / "powder-day.mp4"

# A proxy would be measured or checked instead of the server, and messages depend on the user's language.
for variable in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(variable, None)
    os.environ.pop(variable.upper(), None)
os.environ["LC_ALL"] = "C"
# Debian has nginx where a user's PATH does not lead.
os.environ["PATH"] += os.pathsep + "/usr/sbin"


def fail(message, code=1):
    print(message, file=sys.stderr)
    sys.exit(code)


def only_help(usage):
    """For scripts without options. The first line of `usage` names the script."""
    name, description = usage.strip().removeprefix("Usage: ").split("\n", 1)
    argparse.ArgumentParser(prog=name, description=description).parse_args()


def need_tools(*tools):
    """Each is a program, or program:package where Debian's package has another name."""
    pairs = [(tool.split(":")[0], tool.split(":")[-1]) for tool in tools]
    missing = [f"{program} is not in PATH (Debian: apt-get install {package})"
               for program, package in pairs if not shutil.which(program)]
    if missing:
        fail("\n".join(missing), 2)


def cargo_build():
    """Builds the release program."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", ROOT / "Cargo.toml"]
    if subprocess.run([*command, "--target-dir", TARGET], check=False).returncode:
        fail("heapserve does not build; the reason is above")


def work_folder():
    """A folder for this run, for `with`."""
    return tempfile.TemporaryDirectory(prefix="heapserve.")


class Running:
    """A program in a process group of its own, for `with`, which ends the group."""

    def __init__(self, *command, **how):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **how)
        self.pid, self.reader = self.process.pid, None

    def follow(self, pipe, tell):
        """Calls `tell` with each line that comes through this pipe of the program, to its end."""
        self.reader = threading.Thread(target=lambda: [tell(line) for line in pipe], daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def signal(self, number):
        """Signals the whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self):
        """Ends the program at once. Does nothing more where it has ended."""
        self.process.kill()
        self.process.wait()
        if self.reader:
            self.reader.join(PATIENCE_SECONDS)
        for pipe in filter(None, (self.process.stdout, self.process.stderr)):
            pipe.close()

    def __exit__(self, *_):
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.signal(signal.SIGKILL)
        self.kill()

    def pids(self):
        """The program, and those that it has started. Linux only."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            return [self.pid, *map(int, children.read().split())]

    def cpu_seconds(self):
        """CPU time of all threads of these, ended ones included, to the nanosecond."""
        # The clock that clock_getcpuclockid(3) gives for a process; /proc/PID/stat only has ticks of 10 ms.
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids())


class Announced(Running):
    """A program whose first line has its address. `url` is that, with its slash at the end, and `port` its port."""

    def __init__(self, *command, **how):
        super().__init__(*command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace", **how)
        end = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        end.start()
        try:
            line = self.process.stdout.readline()
            found = re.search(r"(http://\S+?:(\d+)/).*\n", line)
            if not found:
                self.process.kill()
                said = self.process.communicate(timeout=PATIENCE_SECONDS)[1]
                raise RuntimeError(f"{command[0]} printed {line!r} instead of its address; stderr: {said}")
        except BaseException:
            self.kill()
            raise
        finally:
            end.cancel()
        self.url, self.port = found[1], int(found[2])
