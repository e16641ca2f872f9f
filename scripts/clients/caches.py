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

from downloads import equal
from nginx import Nginx
from program import HEAPSERVE
from server import Server
from waiting import PATIENCE_SECONDS, wait_until

MIB = 1 << 20
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
    # A location with a proxy_set_header of its own inherits none. Without one for Host, nginx sends the name that
    # proxy_pass has.
    location = /by-address { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://127.0.0.1:OURS/; }
    location = /by-name { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://localhost:OURS/; }
    location = /by-group { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://ours/; }
    location = /passed-on { proxy_cache off; proxy_set_header Host $http_host; proxy_pass http://ours/; }
  }"""


def with_nginx(folder, server, slices_fresh="1h"):
    return Nginx(folder, CONFIGURATION.replace("OURS", str(server.port)).replace("SLICES_FRESH", slices_fresh))


def through(box, path):
    """Downloads the file through nginx. Returns what its cache did."""
    cache = box.get("-o", "got", "-w", "%header{x-cache}", url=box.front.url + path)
    box.is_file()
    return cache


def slices(box):
    asked = box.requests(lambda: equal(through(box, "sliced"), "MISS", "cache"))
    equal([each["status"] for each in asked], [206] * -(-box.size // MIB), "requests for slices")


def slices_again(box):
    def ask():
        equal(through(box, "sliced"), "HIT", "cache")
        box.get("-r", "5000000-7999999", "-o", "got", url=box.front.url + "sliced")
        box.is_part(5_000_000, 3_000_000)

    equal(box.requests(ask), [], "new requests")


def revalidates(box):
    equal(through(box, "whole"), "MISS", "cache")
    asked = box.requests(lambda: wait_until(lambda: through(box, "whole") == "REVALIDATED"))
    equal([each["status"] for each in asked], [304], "answers")


def default_host(box):
    for path in ("by-address", "by-name"):
        box.get("-o", "got", url=box.front.url + path)
        box.is_file()


def other_host(box):
    for path, host, status in (("passed-on", "localhost", 200), ("passed-on", "example.org", 421), ("by-group", "127.0.0.1", 421)):
        equal(box.status("-H", f"Host: {host}", url=box.front.url + path), str(status), f"status of {host}, {path}")


def events_at_once(box):
    """nginx passes events on as they come. It would hold back those of seven seconds, until they are 4 KiB."""
    with urllib.request.urlopen(f"{box.front.url}heap/events", timeout=PATIENCE_SECONDS) as events:
        told = (json.loads(line[len(b"data: "):]) for line in events if line.startswith(b"data: "))
        assert any(each["event"] == "now" for each in told)  # Before it, the past.
        late = [time.time() - each["started_ms"] / 1000 - each["at_us"] / 1e6 for each in islice(told, 12)]
    assert median(late) < 2, f"half of the samples came {median(late):.1f} s and more after they were taken"


CACHES = [
    ("nginx: slices", slices),
    ("nginx: slices from its cache, without a request", slices_again),
    ("nginx: revalidates, 304", revalidates),
    ("nginx: proxy_pass with its own Host", default_host),
    ("nginx: events come as they are written", events_at_once),
    ("nginx: another Host is refused, 421", other_host),
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
    file = box.folder / "film.mp4"
    put(file, 0)
    with Server(HEAPSERVE, file, "--mode", "stream") as server, with_nginx(box.folder / "nginx", server, "1s") as front:
        got, over = {"sliced": [], "whole": []}, threading.Event()

        def read(path):
            while not over.is_set():
                got[path].append(read_version(front.url + path))

        def enough(number):
            return number >= VERSIONS and all(len(set(versions) - {None}) >= SEEN for versions in got.values())

        with ThreadPoolExecutor(4) as clients:
            reading, start = [clients.submit(read, path) for path in got for _ in range(2)], time.monotonic()
            try:
                for number in count(1):
                    # The cache has the first slice of the version before, and no other one.
                    url = f"{front.url}sliced?before={number}"
                    first = urllib.request.Request(url, headers={"Range": "bytes=0-99"})
                    urllib.request.urlopen(first, timeout=PATIENCE_SECONDS).close()
                    put(file, number)
                    read_version(url)
                    if enough(number) or any(each.done() for each in reading):
                        break
                    assert time.monotonic() - start < 5 * PATIENCE_SECONDS, f"the caches gave too few versions to tell: {got}"
                    time.sleep(0.2)
                wait_until(lambda: all(number in versions[-20:] for versions in got.values()))
            finally:
                over.set()
            for each in reading:
                each.result()  # Raises what a client found wrong.
    assert all(number in versions[-20:] for versions in got.values()), f"the last version never came: {got}"
