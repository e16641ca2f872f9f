"""
Usage: check-portability.sh
Lints heapserve and its tests for Windows and macOS (if rust-web-clippy is missing, the program alone, with rustc),
builds it for Windows, runs its unit tests and some of the others under Wine, and checks in both modes what only Windows
has. Takes some minutes. Leaves nothing behind but target/portability.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
"""

import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from client import ask, read_answer, request, status_of, upload
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
    "LC_ALL": "C.UTF-8",  # Wine needs it for names of files outside ASCII.
    "RUSTC_BOOTSTRAP": "1",  # -Zbuild-std needs a nightly.
    "CARGO_PROFILE_DEV_DEBUG": "0",  # Slow to build, and Wine loads all of it.
    "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER": "wine",
    # No messages, no traces of calls, which take long, no offer to install .NET or a browser, no entries in menus.
    "WINEDEBUG": "-all", "RUST_BACKTRACE": "0", "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
    "DISPLAY": "", "WAYLAND_DISPLAY": "",
}
# The others demand of connections what Wine does not do: there, a shutdown does not end a read that waits.
TESTS = ("answers", "command_line", "hosts", "modes")
# What the server ends under a timeout.
HOST = "Host: localhost\r\n"
STOPS = [
    ("a head that stops is disconnected", "GET / HTTP/1.1\r\nX: "),
    ("an idle connection is closed", ""),
    ("a body that stops is disconnected", f"PUT / HTTP/1.1\r\n{HOST}Content-Length: 5000\r\n\r\n"),
    ("HTTP/2.0 is disconnected", f"GET / HTTP/2.0\r\n{HOST}\r\n"),
]


def cargo(command, target, *options):
    """Runs cargo with a std that is built from source. Returns whether it succeeded."""
    build = ("--quiet", "--locked", "-Zbuild-std=std,panic_unwind,test", "--target", target, "--bin", "heapserve")
    done = subprocess.run(["cargo", command, *build, *options], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def wine(folder, *command):
    return subprocess.run(["wine", *command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=10 * PATIENCE_SECONDS, check=False)


def serve(folder, mode, *options):
    return Server(["wine", "heapserve.exe"], "clip.mp4", "--mode", mode, *options, folder=folder)


def get(server):
    return ask(server.port, request(close=True))


def try_mode(folder, mode, check):
    film = FILM.read_bytes()
    shutil.copy(FILM, folder / "clip.mp4")
    with serve(folder, mode) as server:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: get(server) == (200, film), range(20)))
        check("20 downloads at once", answers == [True] * 20, answers)
        wait_until(lambda: len(server.requests()) == 20)
        last = server.requests()[-1]
        check("RSS after them", 500_000 < last["rss_after"] < min(200_000_000, last["rss_peak"]), last)
        try_replacing(folder, server, film, check)
    last = server.events()[-1]
    check("Ctrl-C gives exit code 0, and the last line says stopped", last["event"] == "stopped", last)


def try_replacing(folder, server, film, check):
    """By Windows' rules (hence cmd, not Python), a file in use can be moved away and deleted only if it was opened in a
    way that allows it, and no file can be moved to its name."""
    new = film[:1_000_000]
    (folder / "other.mp4").write_bytes(new)
    with server.connect(receive_bytes=4096) as slow:
        slow.sendall(request())
        slow.recv(1, socket.MSG_PEEK)
        wine(folder, "cmd", "/c", "move clip.mp4 old.mp4 && move other.mp4 clip.mp4 && del old.mp4")
        check("file replaced while being sent", (folder / "clip.mp4").read_bytes() == new, "refused")
        check("next download is the new file", get(server) == (200, new), "it is not")
        status, body = read_answer(slow)
        check("the download under way is complete", (status, body) == (200, film), f"{status}, {len(body)} bytes")
    check("old file deleted", wait_until(lambda: not (folder / "old.mp4").exists()), "still there")


def try_walls(folder, check):
    """What protects clients from each other: deadlines, refusals, hang-ups."""
    with serve(folder, "stream", "--timeout", "2") as server:
        status = ask(server.port, upload(3_000_000) + bytes(3_000_000))[0]
        check("an upload gets its refusal", status == 405, status)
        for what, sent in STOPS:
            with server.connect() as client:
                check(what, status_of(client, sent.encode(), until_end=True) != "none", "still open")
        check("another client is answered", get(server)[0] == 200, "it is not")


def try_windows(report, folder):
    if not report.check(f"build for {WINDOWS}", cargo("build", WINDOWS), "see above"):
        return
    shutil.copy(PREFIX / WINDOWS / "debug" / "heapserve.exe", folder)
    subprocess.run(["x86_64-w64-mingw32-gcc", "-shared", "-Wall", "-Werror", "-o", folder / "bcryptprimitives.dll",
                    ROOT / "scripts" / "portability" / "process_prng.c", "-ladvapi32"], check=True)
    if not report.check("Wine starts", wine(folder, "wineboot", "--init").returncode == 0, "it makes no prefix"):
        return
    tests = [f"--test={name}" for name in TESTS]
    report.check(f"unit tests, {', '.join(TESTS)}", cargo("test", WINDOWS, "--no-fail-fast", *tests), "see above")
    for mode in ("buffer", "stream"):
        report.where = mode
        try_mode(folder, mode, report.check)
    report.where = "walls"
    try_walls(folder, report.check)


def main():
    only_help(__doc__)
    need_tools("/usr/bin/rustc:rust-web", "/usr/bin/cargo:cargo-web", "x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64",
               "wine")
    if not Path("/usr/lib/rustlib/src/rust/library/std").is_dir():
        fail("std's source is missing (Debian: apt-get install rust-web-src)")
    stop_servers_on_signals()
    report = Report()
    with work_folder() as name:
        os.environ.update(BUILDING, WINEPREFIX=f"{name}/prefix", WINEPATH=name)
        linter, how = "clippy", ("--all-targets",)
        if not Path("/usr/bin/cargo-clippy").exists():
            linter, how = "rustc", ("--profile", "check")
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
