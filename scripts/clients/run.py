"""
Usage: check-clients.sh
Builds heapserve, serves media/powder-day.mp4 in each mode, and downloads it with curl, wget, aria2, ffmpeg, ab and
nginx (as a cache in front of it). Each result is compared with the file byte for byte; where a client could also get
the right bytes in another way than it should, the server's trace is checked too. Takes about a minute.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
"""

import subprocess
import sys
from pathlib import Path

from caches import CACHES, with_nginx
from downloads import DOWNLOADS, Box
from program import FILM, HEAPSERVE, cargo_build, need_tools, only_help, work_folder
from report import Report
from server import Server, stop_servers_on_signals
from surroundings import SURROUNDINGS


def run_table(report, table, box):
    """Runs each check in an empty folder. What it raises is why it failed."""
    for what, function, *arguments in table:
        with work_folder() as name:
            box.folder = Path(name)
            try:
                function(box, *arguments)
                report.check(what, True)
            except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as error:
                report.check(what, False, str(error).strip() or repr(error))


def check_mode(report, mode):
    report.where = mode
    with work_folder() as work, Server(HEAPSERVE, FILM, "--mode", mode) as server:
        box = Box(server)
        run_table(report, DOWNLOADS, box)
        with with_nginx(Path(work) / "nginx", server) as box.front:
            run_table(report, CACHES, box)
        failed = [line for line in server.requests() if line["outcome"] == "failed" or line["status"] >= 500]
        report.check("no request failed in the server", not failed, failed)


def main():
    only_help(__doc__)
    need_tools("cargo", "curl", "wget", "aria2c:aria2", "ffmpeg", "ffprobe:ffmpeg", "nginx", "ab:apache2-utils")
    stop_servers_on_signals()
    report = Report()
    cargo_build()
    for mode in ("buffer", "stream"):
        check_mode(report, mode)
    report.where = ""
    run_table(report, SURROUNDINGS, Box())
    return report.finish()


sys.exit(main())
