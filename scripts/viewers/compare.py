"""
Builds heapserve and starts it once in each mode. Many viewers download FILE at the same time, and each download is
compared with the file byte for byte. Prints what the server says of both runs: how much memory each viewer held, and how
much heap all of them needed. Exit code: 0 if all succeeded, 1 if anything failed, 2 if an option is wrong.
"""

import argparse
import json
import mmap
import os
import sys
from pathlib import Path

from load import bytes_of, count, ms, reasons, size, watch
from program import FILM, HEAPSERVE, cargo_build, fail, need_tools
from server import Server, stop_servers_on_signals
from waiting import wait_until

MODES = ("buffer", "stream")


def measure(mode, content, options):
    """The run of that mode, as the server tells it."""
    with Server(HEAPSERVE, options.f, "--mode", mode) as server:
        print(f"{mode}: ", end="", file=sys.stderr)
        ends = watch(server.url, options.n, options.rate, content)
        failed = sum(bool(end.why) for end in ends)
        print(f"{mode}: {options.n - failed} of {options.n} downloads are equal to the file, byte for byte", file=sys.stderr)
        if failed:
            fail(f"{reasons(ends)}\ncompare.sh: the modes cannot be compared, since downloads failed")
        wait_until(lambda: server.figures()["run"] is None)
        return server.figures()["last_run"] or fail(f"compare.sh: the server tells of no run in {mode} mode")


def report(file, viewers, *runs):
    """Prints both runs as a table and a sentence."""
    each, file_bytes = [run["request_peak_max"] for run in runs], file.stat().st_size
    at_most = "" if all(run["request_peak_min"] == run["request_peak_max"] for run in runs) else " at most"
    row = "{:<24}{:>13}{:>13}{:>17}".format
    print(f"\n{file.name} ({size(file_bytes)}), {viewers} viewers\n\n{row('', *MODES, 'buffer : stream')}")
    for title, figures, shown in (
        ("at once", [run["at_once"] for run in runs], str), (f"each held{at_most}", each, size),
        ("heap peak", [run["heap_peak"] for run in runs], size), ("RSS peak", [run["rss_peak"] for run in runs], size),
        ("first byte, median", [run["first_byte_us_median"] for run in runs], ms),
        ("first byte, worst", [run["first_byte_us_max"] for run in runs], ms),
        ("time in all", [run["ended_us"] - run["began_us"] for run in runs], lambda us: f"{us / 1e6:.1f} s"),
    ):
        print(row(title, *("unknown" if figure is None else shown(figure) for figure in figures),
                  f"{figures[0] / figures[1]:.1f}" if figures[0] is not None and figures[1] else ""))
    if (few := min(run["at_once"] for run in runs)) < viewers:
        print(f"\nOnly {few} of {viewers} overlapped. More do with a lower rate (-r) or a larger file.")
    if not file_bytes:
        print("\nThe file is empty, so the modes do not differ: each viewer held the head of the answer.")
    elif None not in each:
        print(f"\nEach viewer held{at_most} {size(each[0])} with buffer and {size(each[1])} with stream. A thousand at once would hold"
              f" {size(1000 * each[0])} and {size(1000 * each[1])} of heap.")


def main():
    parser = argparse.ArgumentParser(prog="compare.sh", description=__doc__)
    parser.add_argument("-n", type=count, default=20, metavar="VIEWERS", help="how many at once (default: 20); buffer mode needs memory for as many copies of FILE")
    parser.add_argument("-r", dest="rate", type=bytes_of, metavar="RATE", help="the most that each downloads in a second: bytes, or with K, M or G (default: a rate at which a download takes about five seconds)")
    parser.add_argument("-f", type=Path, default=FILM, metavar="FILE", help="what to serve (default: media/powder-day.mp4 of this repository)")
    parser.add_argument("--json", action="store_true", help='print both runs as one JSON object instead: {"buffer":RUN,"stream":RUN}')
    parser.add_argument("--fail-above", type=bytes_of, metavar="SIZE", help="fail if a viewer of stream mode held more than this: bytes, or with K, M or G")
    options = parser.parse_args()
    try:
        with options.f.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""
    except OSError as error:
        parser.error(f"cannot read '{options.f}' (-f): {error.strerror}")
    # Many viewers take some time to start, and the first should still be there when the last comes.
    options.rate = options.rate or len(content) // (5 + options.n // 20) + 1
    need_tools("cargo")
    stop_servers_on_signals()
    print("building heapserve", file=sys.stderr)
    cargo_build()
    runs = [measure(mode, content, options) for mode in MODES]
    if options.json:
        print(json.dumps(dict(zip(MODES, runs)), separators=(",", ":")))
    else:
        report(options.f, options.n, *runs)
    held = runs[1]["request_peak_max"]
    if options.fail_above and (held is None or held > options.fail_above):
        fail(f"compare.sh: a viewer of stream mode held {held or 'an unknown number of'} bytes, more than {options.fail_above} (--fail-above)")


try:
    main()
except RuntimeError as error:  # A server that does not start, or ends badly.
    fail(f"compare.sh: {error}")
