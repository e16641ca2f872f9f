"""nginx in front of the server, as a cache and as a proxy."""

import json
import os
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from itertools import count, islice
from statistics import median

from downloads import CURL, FILM_BYTES, equal
from nginx import Nginx
from program import HEAPSERVE
from server import Server
from waiting import PATIENCE_SECONDS, wait_until

MIB = 1 << 20
STATUS_AND_CACHE = "%{http_code} %header{x-cache}"
# OURS stands for heapserve's port.
CONFIGURATION = """
  proxy_cache_path cache keys_zone=cache:1m; proxy_cache cache;
  upstream ours { server 127.0.0.1:OURS; keepalive 4; }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost;
  # nginx stores nothing that says no-cache, although a cache may store it and must only ask each time.
  proxy_ignore_headers Cache-Control;
  add_header X-Cache $upstream_cache_status;
  server {
    listen 127.0.0.1:PORT;
    location = /sliced { # requested, and stored, a mebibyte at a time
      slice 1m; proxy_cache_key $uri$is_args$args$slice_range; proxy_set_header Range $slice_range;
      proxy_set_header Host localhost;
      proxy_cache_valid 206 SLICES_FRESH; proxy_cache_revalidate on; proxy_pass http://ours/;
    }
    location = /heap/events { proxy_cache off; proxy_pass http://ours/heap/events; }
    location = /whole { # fresh for a second, then revalidated
      proxy_cache_key $uri; proxy_cache_revalidate on;
      proxy_cache_valid 200 1s; proxy_pass http://ours/;
    }
  }"""


def with_nginx(folder, server, slices_fresh="1h"):
    return Nginx(folder, CONFIGURATION.replace("OURS", str(server.port)).replace("SLICES_FRESH", slices_fresh))


def through(box, path, cache, statuses, wanted="200", part=slice(None), options=()):
    """A download through nginx, whose cache says what it did, and asked the server for answers of these statuses."""
    said = f"{wanted} {cache}"
    download = lambda: box.get(*options, url=box.front.url + path, write=STATUS_AND_CACHE, wanted=said)
    equal([each["status"] for each in box.requests(download)], statuses, "answers of the server")
    box.is_file(part=part)


def revalidates(box):
    through(box, "whole", "MISS", [200])
    cache = lambda: box.run(*CURL, "-o", "got", "-w", "%header{x-cache}", box.front.url + "whole")
    asked = box.requests(lambda: wait_until(lambda: cache() == "REVALIDATED"))
    equal([each["status"] for each in asked], [304], "answers of the server")
    box.is_file()


def events_at_once(box):
    """nginx passes events on as they come. It would hold back those of seven seconds, until they are 4 KiB."""
    with urllib.request.urlopen(f"{box.front.url}heap/events", timeout=PATIENCE_SECONDS) as events:
        told = (json.loads(line[len(b"data: "):]) for line in events if line.startswith(b"data: "))
        assert any(each["event"] == "now" for each in told)  # Before it, the past.
        late = [time.time() - each["started_ms"] / 1000 - each["at_us"] / 1e6 for each in islice(told, 12)]
    assert median(late) < 2, f"half of the samples came {median(late):.1f} s and more after they were taken"


SLICES = -(-FILM_BYTES // MIB)
SOME_SLICES = ["206", slice(5_000_000, 8_000_000), ("-r", "5000000-7999999")]
CACHES = [
    ("nginx: slices", through, "sliced", "MISS", SLICES * [206]),
    ("nginx: slices from its cache, without a request", through, "sliced", "HIT", []),
    ("nginx: a part of these slices", through, "sliced", "HIT", [], *SOME_SLICES),
    ("nginx: revalidates, 304", revalidates),
    ("nginx: events come as they are written", events_at_once),
]

# How often the file is replaced at least, and how many of its versions each cache must have given by then.
VERSIONS, SEEN, SIZE = 50, 6, 4 * MIB


def version(number):
    """The bytes of a version of the file."""
    return number.to_bytes(4, "big") * (SIZE // 4)


def put(file, number):
    """Replaces the file by another of the same size and time of change, as `cp -p` and `rsync -t` do."""
    other = file.with_name("other")
    other.write_bytes(version(number))
    os.utime(other, (1_000_000_000, 1_000_000_000))
    other.replace(file)


def read_version(url):
    """The number of the version that a client got; None where the answer was cut off, which the client notices."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            body = answer.read()
    except (HTTPException, OSError):
        return None
    number = int.from_bytes(body[:4], "big")
    others = {int.from_bytes(body[at:at + 4], "big") for at in range(0, len(body), MIB)}
    assert body == version(number), f"{len(body)} bytes are of the versions {sorted(others)}"
    return number


def replaced(box):
    """Clients read through both kinds of cache while the file is replaced. Nobody may get parts of two versions as one
    answer, and the caches must come to the last version."""
    file, numbers, over = box.folder / "film.mp4", count(1), threading.Event()
    got = {"sliced": [], "whole": []}
    put(file, 0)
    with Server(HEAPSERVE, file, "--mode", "stream") as server, \
            with_nginx(box.folder / "nginx", server, "1s") as front, ThreadPoolExecutor(4) as clients:

        def read(path):
            while not over.is_set():
                got[path].append(read_version(front.url + path))

        def replace():
            """Returns whether that is enough."""
            number = next(numbers)
            # The cache has the first slice of the version before, and no other one.
            url = f"{front.url}sliced?before={number}"
            first = urllib.request.Request(url, headers={"Range": "bytes=0-99"})
            urllib.request.urlopen(first, timeout=PATIENCE_SECONDS).close()
            put(file, number)
            read_version(url)
            time.sleep(0.2)
            seen = min(len(set(versions) - {None}) for versions in got.values())
            return number >= VERSIONS and seen >= SEEN or any(each.done() for each in reading)

        reading = [clients.submit(read, path) for path in got for _ in range(2)]
        try:
            enough = wait_until(replace, 5 * PATIENCE_SECONDS)
            last = next(numbers) - 1
            come = wait_until(lambda: all(last in versions[-20:] for versions in got.values()))
        finally:
            over.set()
        for each in reading:
            each.result()  # Raises what a client found wrong.
    assert enough is not None, f"the caches gave too few versions to tell: {got}"
    assert come is not None, f"the last version never came: {got}"
