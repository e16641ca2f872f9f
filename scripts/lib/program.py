"""What the checks in Python share: messages, the tools that they need, the program, and other programs that they start."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

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
    """For scripts without options."""
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(usage.strip())
        sys.exit()
    if sys.argv[1:]:
        fail(f"there is no option or argument '{sys.argv[1]}'; see --help", 2)


def need_tools(*tools):
    """Each is a program, or program:package where Debian's package has another name."""
    missing = [tool for tool in tools if not shutil.which(tool.split(":")[0])]
    for tool in missing:
        program, _, package = tool.partition(":")
        print(f"{program} is not in PATH (Debian: apt-get install {package or program})", file=sys.stderr)
    if missing:
        sys.exit(2)


def cargo_build(folder=ROOT, target=TARGET, *options):
    """Builds the release program of that folder. Returns what cargo prints to stdout."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", folder / "Cargo.toml",
               "--target-dir", target, *options]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        fail("heapserve does not build; the reason is above")
    return built.stdout


def work_folder():
    """A folder for this run, for `with`."""
    return tempfile.TemporaryDirectory(prefix="heapserve.")


class Running:
    """A program in a process group of its own, for `with`, which ends the group."""

    def __init__(self, *command, **how):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **how)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def signal(self, number):
        """Signals the whole group."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


class Announced(Running):
    """A program whose first line has its address; `url` is that, with its slash at the end."""

    def __init__(self, *command, **how):
        super().__init__(*command, stdout=subprocess.PIPE, text=True, **how)
        line = self.process.stdout.readline()
        found = re.search(r"http://[^/ ]+/", line)
        if not found:
            self.__exit__()
            raise RuntimeError(f"{command[0]} printed {line!r} instead of its address")
        self.url = found[0]
