"""
Builds heapserve and starts it once in each mode. Many viewers download FILE at the same time, and each download is
compared with the file byte for byte. Prints what the server says of both runs: how much memory each viewer held, and how
much heap all of them needed. Exit code: 0 if all succeeded, 1 if anything failed, 2 if an option is wrong.
"""

import argparse
import collections
import http.client
import json
import mmap
import os
import re
import sys
import threading
import time
from pathlib import Path

from program import FILM, HEAPSERVE, cargo_build, fail, need_tools
from server import Server, stop_servers_on_signals
from waiting import wait_until

MODES = ("buffer", "stream")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SILENT_SECONDS = 30


def bytes_of(text):
    found = re.fullmatch(r"([1-9]\d{0,11})([KMG]?)", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"it must be a size such as 100000, 128K or 8M, not '{text}'")
    return int(found[1]) * UNITS[found[2]]


def count(text):
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise argparse.ArgumentTypeError(f"it must be a whole number from 1 to 9999, not '{text}'")
    return int(text)


def size(figure):
    """A size as the server prints it."""
    if figure is None:
        return "unknown"
    unit = next((name for name in "GMK" if figure >= UNITS[name]), None)
    return f"{figure / UNITS[unit]:.1f} {unit}iB" if unit else f"{figure} bytes"


def view(server, content, rate):
    """One viewer, who keeps nothing but compares what comes. Returns "ok", or why the download failed."""
    connection = http.client.HTTPConnection("localhost", server.port, timeout=SILENT_SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        if answer.status != 200:
            return f"the server answered {answer.status}"
        at, start = 0, time.monotonic()
        while piece := answer.read(min(65536, rate // 20 + 1)):
            if content[at:at + len(piece)] != piece:
                return f"the download differs from the file, between byte {at} and {at + len(piece)}"
            at += len(piece)
            time.sleep(max(0, start + at / rate - time.monotonic()))
        return "ok" if at == len(content) else f"{at} of {len(content)} bytes came"
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def watch(mode, server, content, options):
    """All viewers at once. Rewrites one line on a terminal; prints nothing into a log."""
    ends = []
    viewers = [threading.Thread(target=lambda: ends.append(view(server, content, options.rate)), daemon=True) for _ in range(options.n)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
        if sys.stderr.isatty():
            print(f"\r\033[K{mode}: {len(ends)} of {options.n} done", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    good = ends.count("ok")
    print(f"{mode}: {good} of {options.n} downloads are equal to the file, byte for byte", file=sys.stderr)
    if good < options.n:
        reasons = collections.Counter(end for end in ends if end != "ok").most_common(5)
        fail("\n".join([*(f"{number:7} {why}" for why, number in reasons), "compare.sh: the modes cannot be compared, since downloads failed"]))


def measure(mode, content, options):
    """The run of that mode, as the server tells it."""
    with Server(HEAPSERVE, options.f, "--mode", mode) as server:
        print(f"{mode}: {options.n} viewers at once of {server.url}, each at most {options.rate} bytes/s", file=sys.stderr)
        watch(mode, server, content, options)
        wait_until(lambda: server.figures()["run"] is None, 10)
        return server.figures()["last_run"] or fail(f"compare.sh: the server tells of no run in {mode} mode")


def report(file, viewers, *runs):
    """Prints both runs as a table, bars and one sentence."""
    each, file_bytes = [run["request_peak_max"] for run in runs], file.stat().st_size
    at_most = "" if all(run["request_peak_min"] == run["request_peak_max"] for run in runs) else " at most"
    times = [run["ended_us"] - run["began_us"] for run in runs]
    milliseconds, seconds = (lambda us: f"{us / 1000:.1f} ms"), (lambda us: f"{us / 1e6:.1f} s")
    row = "{:<24}{:>13}{:>13}{:>17}".format
    print(f"\n{file.name} ({size(file_bytes)}), {viewers} viewers\n\n{row('', *MODES, 'buffer : stream')}")
    for title, figures, shown in (
        ("at once", [run["at_once"] for run in runs], str), (f"each held{at_most}", each, size),
        ("heap peak", [run["heap_peak"] for run in runs], size), ("RSS peak", [run["rss_peak"] for run in runs], size),
        ("first byte, median", [run["first_byte_us_median"] for run in runs], milliseconds),
        ("first byte, worst", [run["first_byte_us_max"] for run in runs], milliseconds), ("time in all", times, seconds),
    ):
        print(row(title, *("unknown" if each is None else shown(each) for each in figures),
                  f"{figures[0] / figures[1]:.1f}" if figures[0] is not None and figures[1] else ""))
    print("\nheap peak")
    peaks = [run["heap_peak"] for run in runs]
    for mode, peak in zip(MODES, peaks):
        whole, eighths = divmod(-int(-400 * peak // max(peaks)), 8)  # At most 50 characters, the last in eighths.
        print(f"  {mode} {'█' * whole}{'' if not eighths else ' ▏▎▍▌▋▊▉'[eighths]} {size(peak)}")
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
