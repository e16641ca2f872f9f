"""The servers that are measured, one at a time. Linux only."""

import os
import subprocess
import time
import urllib.request
from contextlib import contextmanager

from nginx import Nginx
from program import HEAPSERVE, ROOT, Announced
from server import Server
from waiting import wait_until

NGINX = """sendfile SENDFILE; tcp_nopush on; keepalive_requests 100000000;
  server { listen 127.0.0.1:PORT backlog=4096; root WORK; default_type video/mp4; }"""


@contextmanager
def measured(kind, file, other):
    """A server of a kind, with `kind`, the `file` that it serves, and the `url` of that. The file has been compared,
    byte for byte. `other` is the heapserve of the kinds that are called so."""
    with start(kind, file, other) as server:
        server.kind, server.file, server.url = kind, file, server.url + file.name
        if kind.startswith("nginx"):
            wait_until(lambda: len(server.pids()) == 1 + os.cpu_count())
        with urllib.request.urlopen(server.url, timeout=60) as answer:
            if answer.read() != file.read_bytes():
                raise RuntimeError(f"{kind} does not serve the file as it is")
        yield server


def start(kind, file, other):
    name, _, what = kind.partition("-")
    if name == "nginx":
        http = NGINX.replace("WORK", str(file.parent)).replace("SENDFILE", "off" if what == "copies" else "on")
        return Nginx(file.with_name(f"nginx-{time.monotonic_ns()}"), http, workers=os.cpu_count())
    if name == "node":
        command = ["node", ROOT / "scripts" / "peers" / f"{what}.mjs", file, "0"]
        return Announced(*command, stderr=subprocess.DEVNULL)
    mode, trace = ("stream", "text") if what == "traced" else (what, "off")
    with open(file.with_name("trace"), "wb") as stderr:
        return Server(other if name == "other" else HEAPSERVE, file, "--mode", mode, "--bind", "127.0.0.1",
                      trace=trace, stderr=stderr)
