"""The clients. Each fails the run if it did not get all that it asked for."""

import os
import re
import resource
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

from client import connect, request
from waiting import PATIENCE_SECONDS, wait_until

# A transfer that stands still for a minute fails.
CURL = ["curl", "-q", "-gsS", "--fail", "--noproxy", "*", "--speed-time", str(PATIENCE_SECONDS)]


def with_curl(server, clients, each, *options):
    """So many curls at once, each of which downloads the file so many times. Returns the seconds, without the start of
    the curls: each has started when it has opened its FIFO, where it waits for the list of URLs."""
    gates = [server.file.with_name(f"gate.{number}") for number in range(clients)]
    curls = []
    with ExitStack() as stack:
        for gate in gates:
            os.mkfifo(gate)
            stack.callback(gate.unlink)
            command = [*CURL, "-w", "%{http_code} %{size_download}\n", *options, "-K", gate]
            curls.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True))
            stack.callback(curls[-1].kill)
        # Opening waits for the other end.
        opened = [os.open(gate, os.O_WRONLY) for gate in gates]
        start = time.perf_counter()
        for descriptor in opened:
            os.write(descriptor, f'url = "{server.url}"\noutput = "/dev/null"\n'.encode() * each)
            os.close(descriptor)
        said = [curl.communicate()[0] for curl in curls]
        seconds = time.perf_counter() - start
    if said != [f"200 {server.file.stat().st_size}\n" * each] * clients:
        raise RuntimeError(f"the curls did not get all of {server.url}: {said[0]!r}")
    return seconds


def reading_mebibytes(server, clients, each):
    """The same with connections that take a mebibyte at a time, as the fastest clients do."""

    def download(connection):
        room = bytearray(1 << 20)
        for _ in range(each):
            connection.request("GET", f"/{server.file.name}")
            answer = connection.getresponse()
            got_bytes = sum(iter(lambda: answer.readinto(room), 0))
            if (answer.status, got_bytes) != (200, server.file.stat().st_size):
                raise RuntimeError(f"a download of {server.url} has status {answer.status} and {got_bytes} bytes")

    with ExitStack() as stack:
        connections = [HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS) for _ in range(clients)]
        for connection in connections:
            stack.enter_context(closing(connection))
            connection.connect()
        start = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(download, connections))
        return time.perf_counter() - start


def with_wrk(server, seconds, threads):
    """wrk's requests on 16 connections, kept alive: requests/s, ms within which 99 % were answered, and how much of its
    threads' time wrk was on a CPU, in %."""
    cpu_seconds = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before, start = cpu_seconds(), time.perf_counter()
    command = ["wrk", "-t", str(threads), "-c", "16", "-d", str(seconds), "--latency", server.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    busy = (cpu_seconds() - before) / (time.perf_counter() - start) / threads
    rate, slow = re.search(r"Requests/sec: +([\d.]+)", done.stdout), re.search(r"99% +([\d.]+)(us|ms|s)", done.stdout)
    if done.returncode or not rate or re.search("Non-2xx|Socket errors|unable", done.stdout):
        raise RuntimeError(f"wrk failed at {server.url}: {done.stdout} {done.stderr}")
    return float(rate[1]), float(slow[1]) * {"us": 0.001, "ms": 1, "s": 1000}[slow[2]], 100 * busy


def first_byte_ms(server):
    """Opens a connection with a request for the file. Returns when the first byte came."""
    start = time.perf_counter()
    with connect(server.port) as client:
        client.sendall(request(target=f"/{server.file.name}"))
        if not client.recv(1):
            raise RuntimeError(f"{server.url} ended the connection without an answer")
        return 1000 * (time.perf_counter() - start)


def held_kib(server, count, settle_seconds):
    """Holds so many viewers, who read no further than the first bytes. Returns how many KiB (PSS) each costs."""
    before_kib = pss_kib(server)
    with ExitStack() as stack:
        viewers = [stack.enter_context(connect(server.port, receive_bytes=4096)) for _ in range(count)]
        for viewer in viewers:
            viewer.sendall(request(target=f"/{server.file.name}"))
        for viewer in viewers:
            if not (head := viewer.recv(12)).endswith(b" 200"):
                raise RuntimeError(f"a viewer got {head} instead of status 200")
        # heapserve's threads that only helped to accept the connections end after five idle seconds.
        time.sleep(settle_seconds)
        return (pss_kib(server) - before_kib) / count


def peak_mib(server, action):
    """The highest PSS of the server while `action` runs, in samples that are 20 ms apart."""
    peak = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(action)
        wait_until(lambda: peak.append(pss_kib(server)) or running.done(), float("inf"))
    running.result()
    return max(peak) / 1024


def pss_kib(server):
    """The resident set, but a page that processes share counts for each of them only in part, so once in the sum."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in server.pids())
    return sum(int(re.search(r"^Pss: +(\d+)", rollup, re.MULTILINE)[1]) for rollup in rollups)
