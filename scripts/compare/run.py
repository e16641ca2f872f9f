"""
Builds heapserve and starts it once in each mode. Many viewers download FILE at the same time, and each download is
compared with the file byte for byte. Prints what the server says of both runs: how much memory each viewer held, and
how much heap all of them needed. Exit code: 0 if all succeeded, 1 if anything failed, 2 if an option is wrong.
"""

import argparse
import http.client
import json
import re
import sys
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from program import FILM, HEAPSERVE, cargo_build, fail, need_tools
from server import Server, stop_servers_on_signals
from waiting import wait_until

MODES = ("buffer", "stream")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


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
    unit = next((name for name in "GMK" if figure >= UNITS[name]), None)
    return f"{figure / UNITS[unit]:.1f} {unit}iB" if unit else f"{figure} bytes"


def view(server, content, rate):
    """One viewer, who keeps nothing but compares what comes. Returns "ok", or why the download failed."""
    try:
        with urllib.request.urlopen(server.url, timeout=30) as answer:
            at, start = 0, time.monotonic()
            while piece := answer.read(min(65536, rate // 20 + 1)):
                if content[at:at + len(piece)] != piece:
                    return f"the download differs from the file, between byte {at} and {at + len(piece)}"
                at += len(piece)
                time.sleep(max(0, start + at / rate - time.monotonic()))
            return "ok" if at == len(content) else f"{at} of {len(content)} bytes came"
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"


def measure(mode, options):
    """All viewers at once. Returns the run of that mode, as the server tells it."""
    # In this order, Ctrl-C ends the server before it waits for the viewers.
    with ThreadPoolExecutor(options.n) as pool, Server(HEAPSERVE, options.f, "--mode", mode) as server:
        print(f"{mode}: {options.n} viewers at once of {server.url}, each at most {options.rate} bytes/s",
              file=sys.stderr)
        ends = list(pool.map(lambda _: view(server, options.content, options.rate), range(options.n)))
        good = ends.count("ok")
        print(f"{mode}: {good} of {options.n} downloads are equal to the file, byte for byte", file=sys.stderr)
        if good < options.n:
            reasons = Counter(end for end in ends if end != "ok").most_common(5)
            fail("\n".join([*(f"{number:7} {why}" for why, number in reasons),
                            "compare.sh: the modes cannot be compared, since downloads failed"]))
        wait_until(lambda: server.figures()["run"] is None, 10)
        return server.figures()["last_run"] or fail(f"compare.sh: the server tells of no run in {mode} mode")


def report(options, runs):
    """Prints both runs as a table and one sentence."""
    each = [run["request_peak_max"] for run in runs]
    at_most = "" if all(run["request_peak_min"] == run["request_peak_max"] for run in runs) else " at most"
    milliseconds, seconds = (lambda us: f"{us / 1000:.1f} ms"), (lambda us: f"{us / 1e6:.1f} s")
    row = "{:<24}{:>13}{:>13}{:>17}".format
    print(f"\n{options.f.name} ({size(len(options.content))}), {options.n} viewers\n")
    print(row("", *MODES, "buffer : stream"))
    for title, field, shown in (
        ("at once", "at_once", str), (f"each held{at_most}", "request_peak_max", size),
        ("heap peak", "heap_peak", size), ("RSS peak", "rss_peak", size),
        ("first byte, median", "first_byte_us_median", milliseconds),
        ("first byte, worst", "first_byte_us_max", milliseconds), ("time in all", "took_us", seconds),
    ):
        figures = [run[field] for run in runs]
        ratio = f"{figures[0] / figures[1]:.1f}" if figures[0] is not None and figures[1] else ""
        print(row(title, *("unknown" if figure is None else shown(figure) for figure in figures), ratio))
    if (few := min(run["at_once"] for run in runs)) < options.n:
        print(f"\nOnly {few} of {options.n} overlapped. More do with a lower rate (-r) or a larger file.")
    if not options.content:
        print("\nThe file is empty, so the modes do not differ: each viewer held the head of the answer.")
    elif None not in each:
        print(f"\nEach viewer held{at_most} {size(each[0])} with buffer and {size(each[1])} with stream."
              f" A thousand at once would hold {size(1000 * each[0])} and {size(1000 * each[1])} of heap.")


def read_options():
    parser = argparse.ArgumentParser(prog="compare.sh", description=__doc__)
    add = parser.add_argument
    add("-n", type=count, default=20, metavar="VIEWERS",
        help="how many at once (default: 20); buffer mode needs memory for as many copies of FILE")
    add("-r", dest="rate", type=bytes_of, metavar="RATE", help="""the most that each downloads in a second: bytes, or
        with K, M or G (default: a rate at which a download takes about five seconds)""")
    add("-f", type=Path, default=FILM, metavar="FILE",
        help="what to serve (default: media/powder-day.mp4 of this repository)")
    add("--json", action="store_true", help='print both runs as one JSON object instead: {"buffer":RUN,"stream":RUN}')
    add("--fail-above", type=bytes_of, metavar="SIZE", help="""fail if a viewer of stream mode held more than this:
        bytes, or with K, M or G""")
    options = parser.parse_args()
    try:
        options.content = options.f.read_bytes()
    except OSError as error:
        parser.error(f"cannot read '{options.f}' (-f): {error.strerror}")
    # Many viewers take some time to start, and the first should still be there when the last comes.
    options.rate = options.rate or len(options.content) // (5 + options.n // 20) + 1
    return options


def main():
    options = read_options()
    need_tools("cargo")
    stop_servers_on_signals()
    print("building heapserve", file=sys.stderr)
    cargo_build()
    runs = [measure(mode, options) for mode in MODES]
    if options.json:
        print(json.dumps(dict(zip(MODES, runs)), separators=(",", ":")))
    else:
        report(options, [run | {"took_us": run["ended_us"] - run["began_us"]} for run in runs])
    held = runs[1]["request_peak_max"]
    if options.fail_above and (held is None or held > options.fail_above):
        fail(f"compare.sh: a viewer of stream mode held {held or 'an unknown number of'} bytes,"
             f" more than {options.fail_above} (--fail-above)")


try:
    main()
except RuntimeError as error:  # A server that does not start, or ends badly.
    fail(f"compare.sh: {error}")
