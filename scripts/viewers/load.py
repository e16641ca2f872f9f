"""
Downloads URL many times at once. Prints how many downloads succeeded, how many bytes they got, and, if the server is
heapserve, what it says of the run. Meanwhile, watch the server's trace or its page /heap.
Exit code: 0 if all succeeded, 1 if any failed, 2 if an option is wrong.
"""

import argparse
import json
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, namedtuple
from contextlib import suppress
from http.client import HTTPException

from program import fail
from waiting import wait_until

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SILENT_SECONDS = 30
NOT_REACHED = "not reached"

# How many bytes a viewer got in how many seconds, and why its download failed; "" where it did not.
End = namedtuple("End", "bytes seconds why")


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


def ms(us):
    return f"{us / 1000:.1f} ms"


def view(url, rate, content):
    """One viewer, who keeps nothing, but compares what comes with `content` if that is given. Returns its End."""
    got, start, why, most = 0, time.monotonic(), "", min(65536, rate // 20 + 1) if rate else 65536
    try:
        with urllib.request.urlopen(url, timeout=SILENT_SECONDS) as answer:
            while not why and (piece := answer.read(most)):
                if content is not None and content[got:got + len(piece)] != piece:
                    why = f"the download differs from the file, between byte {got} and {got + len(piece)}"
                got += len(piece)
                time.sleep(max(0, start + got / rate - time.monotonic()) if rate else 0)
            if answer.length or content is not None and got < len(content):
                why = why or f"the answer ended too early, after {got} bytes"
    except urllib.error.HTTPError as error:
        why = f"the server answered {error.code}"
    except urllib.error.URLError as error:
        why = f"{NOT_REACHED}: {error.reason}"
    except (OSError, HTTPException) as error:
        why = f"{type(error).__name__}: {error}"
    return End(got, time.monotonic() - start, why)


def watch(url, viewers, rate, content=None):
    """All viewers at once. Returns their Ends. Rewrites one line on a terminal; prints nothing into a log."""
    with suppress(ImportError):  # Each has a descriptor. Windows does not limit them.
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{viewers} viewers at once of {url}{f', each at most {rate} bytes/s' if rate else ''}", file=sys.stderr)
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(view(url, rate, content)), daemon=True) for _ in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        if sys.stderr.isatty():
            print(f"\r{len(ends)} of {viewers} done", end="\n" if thread is threads[-1] else "", file=sys.stderr, flush=True)
    return ends


def reasons(ends):
    """Why downloads failed: a line for each reason, with how many."""
    return "\n".join(f"{number:7} {why}" for why, number in Counter(end.why for end in ends if end.why).most_common(5))


def figures(url):
    """What the server says of itself; nothing if it is no heapserve."""
    try:
        with urllib.request.urlopen(urllib.parse.urljoin(url, "/heap.json"), timeout=SILENT_SECONDS) as answer:
            told = json.load(answer)
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and "last_run" in told else {}


def tell(run):
    each = list(dict.fromkeys(size(run[name]) for name in ("request_peak_min", "request_peak_max") if run[name] is not None))
    print(f"the server: {run['requests']} requests, {run['at_once']} at once, heap peak {size(run['heap_peak'])}"
          + (f"; each held {' to '.join(each)}" if each else ""), end="")
    median, worst = run["first_byte_us_median"], run["first_byte_us_max"]
    print("" if worst is None else f"; first byte: median {'unknown' if median is None else ms(median)}, worst {ms(worst)}")


def main():
    parser = argparse.ArgumentParser(prog="load.sh", description=__doc__)
    parser.add_argument("-n", type=count, default=20, metavar="VIEWERS", help="how many at once (default: 20)")
    parser.add_argument("-r", type=bytes_of, metavar="RATE", help="the most that each downloads in a second: bytes, or with K, M "
                        "or G (default: no limit). With a rate they overlap, as people who watch do; 8M suits the sample video")
    parser.add_argument("url", metavar="URL", nargs="?", default="http://localhost:3000/", help="what to download (default: http://localhost:3000/)")
    options = parser.parse_args()
    url = options.url if "://" in options.url else f"http://{options.url}"
    if not re.match("https?://[^/]", url):
        parser.error(f"'{url}' is no http address")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    before = figures(url).get("last_run")
    ends = watch(url, options.n, options.r)
    right = [end.seconds for end in ends if not end.why]
    print(f"{len(right)} of {options.n} succeeded, {size(sum(end.bytes for end in ends))} in all"
          + (f", the slowest took {max(right):.1f} s" if right else ""))
    # The run ends a second after its last answer, if there are no other viewers.
    wait_until(lambda: figures(url).get("run") is None, 10)
    if (last_run := figures(url).get("last_run")) not in (None, before):
        tell(last_run)
    if all(end.why.startswith(NOT_REACHED) for end in ends):
        fail(f"load.sh: no server answers at {url}; start one, for example with: cargo run --release")
    if len(right) < options.n:
        fail(f"load.sh: {options.n - len(right)} failed:\n{reasons(ends)}")


if __name__ == "__main__":
    main()
