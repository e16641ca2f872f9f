"""
Usage: check-portability.sh
Lints heapserve and its tests for Windows and macOS, builds it for Windows, runs its unit tests and most of the others
under Wine, and checks in both modes what only Windows has. Takes some minutes. Leaves nothing behind but
target/portability.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
"""

import os
import subprocess
import sys
from pathlib import Path

from client import ask, request
from program import FILM, ROOT, fail, need_tools, only_help, work_folder
from report import Report
from server import Server, stop_servers_on_signals
from waiting import wait_until

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
# The others, and what is skipped of these, demand of connections what Wine does not do, or take minutes there: under
# Wine, a shutdown does not end a read that waits.
TESTS = ("answers", "command_line", "faults", "hosts", "modes", "walls")
SKIPPED = ("a_heap_limit", "wall_03_waiting", "wall_07")


def cargo(command, target, *options):
    """Runs cargo with a std that is built from source. Returns whether it succeeded."""
    build = ("--quiet", "--locked", "-Zbuild-std=std,panic_unwind,test", "--target", target, "--bin", "heapserve")
    done = subprocess.run(["cargo", command, *build, *options], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def try_mode(mode, check):
    with Server(["wine", PREFIX / WINDOWS / "debug" / "heapserve.exe"], FILM, "--mode", mode) as server:
        status, body = ask(server.port, request())
        check("the video", (status, body) == (200, FILM.read_bytes()), f"{status}, {len(body)} bytes")
        wait_until(server.requests)
        last, freed_bytes = server.requests()[-1], len(body) // 2 if mode == "buffer" else 0
        check("RSS after it", 500_000 < last["rss_after"] <= min(200_000_000, last["rss_peak"] - freed_bytes), last)
    last = server.events()[-1]
    check("Ctrl-C gives exit code 0, and the last line says stopped", last["event"] == "stopped", last)


def try_windows(report, folder):
    if not report.check(f"build for {WINDOWS}", cargo("build", WINDOWS), "see above"):
        return
    subprocess.run(["x86_64-w64-mingw32-gcc", "-shared", "-Wall", "-Werror", "-o", folder / "bcryptprimitives.dll",
                    ROOT / "scripts" / "portability" / "process_prng.c", "-ladvapi32"], check=True)
    tests = [f"--test={name}" for name in TESTS] + ["--"] + [f"--skip={name}" for name in SKIPPED]
    report.check(f"unit tests, {', '.join(TESTS)}", cargo("test", WINDOWS, "--no-fail-fast", *tests), "see above")
    for mode in ("buffer", "stream"):
        report.where = mode
        try_mode(mode, report.check)


def main():
    only_help(__doc__)
    need_tools("/usr/bin/rustc:rust-web", "/usr/bin/cargo:cargo-web", "/usr/bin/cargo-clippy:rust-web-clippy",
               "x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64", "wine")
    if not Path("/usr/lib/rustlib/src/rust/library/std").is_dir():
        fail("std's source is missing (Debian: apt-get install rust-web-src)")
    stop_servers_on_signals()
    report = Report()
    with work_folder() as name:
        os.environ.update(BUILDING, WINEPREFIX=f"{name}/prefix", WINEPATH=name)
        # The last lint would be wrong on Windows.
        lints = ("--all-targets", "--", "-D", "warnings", "-A", "clippy::missing_const_for_thread_local")
        for target in (WINDOWS, MACOS):
            report.check(f"lint for {target}", cargo("clippy", target, *lints), "see above")
        try:
            try_windows(report, Path(name))
        finally:
            subprocess.run(["wineserver", "-k", "-w"], check=False)
    return report.finish()


sys.exit(main())
