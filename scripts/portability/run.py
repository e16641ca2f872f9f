"""
Usage: check-portability.sh
Lints heapserve for Windows and macOS (with clippy if rust-web-clippy is installed, else with rustc alone), builds it
and its unit tests for Windows, runs the tests under Wine, and checks the program there in both modes. Takes some
minutes. Leaves nothing behind but target/portability.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
"""

import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from client import read_answer, request, status_of, upload
from program import FILM, ROOT, fail, need_tools, only_help, work_folder
from report import Report
from server import Server, stop_servers_on_signals
from waiting import PATIENCE_SECONDS, wait_until

WINDOWS = "x86_64-pc-windows-gnu"
MACOS = "aarch64-apple-darwin"  # A second lint for Intel would take as long and show little more.
PREFIX = ROOT / "target" / "portability"  # Leaves the ordinary builds alone.
BUILDING = {
    # Debian's Rust, also where rustup's comes first in PATH: it has a source package, from which std can be built for
    # other systems without a download.
    "PATH": f"/usr/bin:{os.environ['PATH']}", "CARGO_TARGET_DIR": str(PREFIX),
    "RUSTC_BOOTSTRAP": "1",  # -Zbuild-std needs a nightly.
    "CARGO_PROFILE_DEV_DEBUG": "0",  # Slow to build, and Wine loads all of it.
    "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER": "wine",
    # No messages, no traces of calls, which take long, no offer to install .NET or a browser, no entries in menus.
    "WINEDEBUG": "-all", "RUST_BACKTRACE": "0", "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
}
REFUSALS = [
    ("another name than localhost is refused", request(close=True).replace(b"localhost", b"evil.example"), 421),
    ("an upload gets its refusal", upload(3_000_000) + bytes(3_000_000), 405),
]
# Under a limit, heads that stop and bodies that stop are disconnected.
HALF = "Host: localhost\r\n"
STOPS = [
    ("a head that stops is disconnected", "GET / HTTP/1.1\r\nX: "),
    ("an idle connection is closed", ""),
    ("a body that stops is disconnected", upload(5000).decode()),
    ("a close on a second line is honoured", f"HEAD / HTTP/1.1\r\n{HALF}Connection: x\r\nConnection: close\r\n\r\n"),
    ("HTTP/2.0 is disconnected", f"GET / HTTP/2.0\r\n{HALF}\r\n"),
]


def cargo(command, target, *options):
    """Runs cargo with a std that is built from source. Returns whether it succeeded."""
    build = ("--quiet", "--locked", "-Zbuild-std=std,panic_unwind,test", "--target", target, "--bin", "heapserve")
    return subprocess.run(["cargo", command, *build, *options], cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode == 0


def wine(folder, *command):
    return subprocess.run(["wine", *command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=10 * PATIENCE_SECONDS, check=False)


class Windows:
    """The Windows program in a folder of this run, under Wine."""

    def __init__(self, folder, check):
        self.folder, self.check = folder, check
        self.clip = folder / "clip.mp4"

    def serve(self, mode, *options):
        return Server(["wine", "heapserve.exe"], self.clip.name, "--mode", mode, *options, folder=self.folder)

    def refuses_missing_file(self):
        done = wine(self.folder, "heapserve.exe", "--mode", "stream", "-p", "0", "missing.mp4")
        said = done.stderr.splitlines()
        self.check("a missing file is told in one line", done.returncode == 1 and len(said) == 1 and "missing.mp4" in said[0], said)

    def try_mode(self, mode):
        shutil.copy(FILM, self.clip)
        film = FILM.read_bytes()
        with self.serve(mode) as server:
            self.check("download", get(server) == (200, film), "not the same")
            self.traces(server, 1, 200)
            with ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(lambda _: get(server) == (200, film), range(20)))
            self.check("20 downloads at once", answers == [True] * 20, answers)
            self.check("range", get(server, "1000-1999") == (206, film[1000:2000]), "not 206 or not bytes 1000-1999")
            self.traces(server, 22, 206)
            self.ipv6(server, film)
            self.try_replacing(server, film)
        self.check("Ctrl-C gives exit code 0, and the last line says stopped", server.events()[-1]["event"] == "stopped", server.lines[-1])

    def traces(self, server, count, status):
        """Waits for the trace of so many requests, and checks its last line: all have ended, so that no copy of the file
        should be in memory."""
        wait_until(lambda: len(server.requests()) >= count)
        last = server.requests()[-1]
        figures = [last[name] for name in ("rss_before", "rss_peak", "live_after", "request_peak", "rss_after")]
        right = last["status"] == status and last["outcome"] == "sent" and all(isinstance(each, int) for each in figures)
        self.check(f"trace of {count}", right and 500_000 < last["rss_after"] < 200_000_000, last)

    def ipv6(self, server, film):
        """Where there is no IPv6, the server should write no message about it."""
        try:
            with socket.create_connection(("::1", server.port), PATIENCE_SECONDS) as client:
                client.sendall(request())
                right, found = read_answer(client) == (200, film), "not the same"
        except OSError:
            found = [line for line in server.lines if "::1" in line]
            right = not found
        self.check("[::1] answers or is silently absent", right, found)

    def try_replacing(self, server, film):
        """By Windows' rules (hence cmd, not Python), a file in use can be moved away and deleted only if it was opened in
        a way that allows it, and no file can be moved to its name."""
        (self.folder / "other.mp4").write_bytes(film[:1_000_000])
        with server.connect(receive_bytes=4096) as slow:
            slow.sendall(request())
            slow.recv(1, socket.MSG_PEEK)
            wine(self.folder, "cmd", "/c", "move clip.mp4 old.mp4 && move other.mp4 clip.mp4 && del old.mp4")
            self.check("file replaced while being sent", self.clip.read_bytes() == film[:1_000_000], "refused")
            self.check("next download is the new file", get(server) == (200, film[:1_000_000]), "it is not")
            status, body = read_answer(slow)
            self.check("the download under way is complete", (status, body) == (200, film), f"{status}, {len(body)} bytes")
        self.check("old file deleted", wait_until(lambda: not (self.folder / "old.mp4").exists()), "still there")

    def try_walls(self):
        """What protects clients from each other: deadlines, refusals, hang-ups."""
        with self.serve("stream", "--timeout", "2") as server:
            for what, sent, right in REFUSALS:
                with server.connect() as client:
                    status = status_of(client, sent)
                self.check(what, status == right, status)
            for what, sent in STOPS:
                with server.connect() as client:
                    self.check(what, status_of(client, sent.encode(), until_end=True) != "none", "still open")
            self.check("another client is answered", get(server) == (200, self.clip.read_bytes()), "not the same")


def get(server, range_=None):
    with server.connect() as client:
        client.sendall(request(range_, close=True))
        return read_answer(client)


def try_windows(report, folder):
    if not report.check(f"build for {WINDOWS}", cargo("build", WINDOWS), "see above"):
        return
    shutil.copy(PREFIX / WINDOWS / "debug" / "heapserve.exe", folder)
    subprocess.run(["x86_64-w64-mingw32-gcc", "-shared", "-O2", "-Wall", "-Werror", "-o", folder / "bcryptprimitives.dll",
                    ROOT / "scripts" / "portability" / "process_prng.c", "-ladvapi32"], check=True)
    if not report.check("Wine starts", wine(folder, "wineboot", "--init").returncode == 0, "it makes no prefix"):
        return
    report.check("the unit tests pass under Wine", cargo("test", WINDOWS), "see above")
    windows = Windows(folder, report.check)
    windows.refuses_missing_file()
    for mode in ("buffer", "stream"):
        report.where = mode
        windows.try_mode(mode)
    report.where = "walls"
    windows.try_walls()


def main():
    only_help(__doc__)
    need_tools("/usr/bin/rustc:rust-web", "/usr/bin/cargo:cargo-web", "x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64", "wine")
    if not Path("/usr/lib/rustlib/src/rust/library/std").is_dir():
        fail("std's source is missing (Debian: apt-get install rust-web-src)")
    stop_servers_on_signals()
    report = Report()
    with work_folder() as name:
        os.environ.update(BUILDING, WINEPREFIX=f"{name}/prefix", WINEPATH=name)
        for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
            os.environ.pop(variable, None)
        linter, how = ("clippy", ()) if Path("/usr/bin/cargo-clippy").exists() else ("rustc", ("--profile", "check"))
        for target in (WINDOWS, MACOS):
            # The last lint would be wrong on Windows.
            right = cargo(linter, target, *how, "--", "-D", "warnings", "-A", "clippy::missing_const_for_thread_local")
            report.check(f"lint for {target} (cargo {linter})", right, "see above")
        try:
            try_windows(report, Path(name))
        finally:
            subprocess.run(["wineserver", "-k", "-w"], check=False)
    return report.finish()


sys.exit(main())
