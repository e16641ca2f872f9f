"""The rows of load and faults: bursts, thousands of viewers, resets, pipelines, and nothing at all."""

import os
import statistics
import subprocess
import threading
import time

from client import HOST, first_bytes, read_answer, request, reset, wait_until
from options import PROGRAM, SHORT
from server import Server

MIB = 1 << 20


def bursts_of_downloads(file):
    """8, 40 and 200 rate-limited downloads started at once: every first byte within 500 ms"""
    rounds = 3 if SHORT else 20
    worst = {}
    with Server(PROGRAM, file) as server:
        for clients in (8, 40, 200):
            for _ in range(rounds):
                # The time limit ends them: what is measured is when they began. A process each, since one curl
                # with 200 transfers is itself busier than the server.
                command = ["curl", "--silent", "--limit-rate", "1M", "--max-time", "1", "--output", "/dev/null"]
                command += ["--write-out", "%{time_starttransfer}\n", f"http://{HOST}:{server.port}/"]
                curls = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(clients)]
                said = "".join(curl.communicate()[0] for curl in curls)
                times = [float(line) for line in said.split()]
                late = [t for t in times if not 0 < t < 0.5]
                worst[clients] = max(worst.get(clients, 0), *times)
                if late or len(times) != clients:
                    return f"{len(late)} of {len(times)} late: {late[:3]}"
    return None, ", ".join(f"{n}: {1000 * t:.0f} ms" for n, t in worst.items())


def burst_of_connections(file):
    """500 connections in the same instant: all answered, the slowest within 300 ms"""
    worst = []
    with Server(PROGRAM, file) as server:
        for _ in range(3 if SHORT else 10):
            times, opened = first_bytes(server.port, 500, request("0-99"))
            worst.append(max(times))
            for client in opened:
                client.close()
            time.sleep(0.3)
    shown = f"{1000 * statistics.median(worst):.0f} ms, at worst {1000 * max(worst):.0f} ms"
    return (None, shown) if max(worst) < 0.3 else f"the slowest took {shown}"


def held_viewers(file):
    """2,000 viewers held at once: all have their first byte, one more is answered within 100 ms, all bytes right"""
    count = 500 if SHORT else 2000
    whole = open(file, "rb").read()
    # The last viewer is read on after a minute on a slow machine.
    with Server(PROGRAM, file, "--timeout", "600") as server:
        viewers = []
        for _ in range(count):
            viewer = server.connect(receive_bytes=4096)
            viewer.sendall(request())
            viewers.append(viewer)
        started = [viewer.recv(1000) for viewer in viewers]
        start = time.monotonic()
        with server.connect() as one_more:
            one_more.sendall(request("0-99"))
            status, _ = read_answer(one_more)
        took = time.monotonic() - start
        if not all(started) or status != 206:
            return f"{sum(not s for s in started)} without a first byte, one more got {status}"
        live, rss = server.figures()["live"], server.figures()["rss"]
        wrong = 0
        for viewer, first in zip(viewers, started):
            data = bytearray(first)
            end = data.index(b"\r\n\r\n") + 4 + len(whole)
            while len(data) < end:
                piece = viewer.recv(1 << 20)
                if not piece:
                    break
                data += piece
            wrong += data[end - len(whole):] != whole
            viewer.close()
    shown = f"one more in {1000 * took:.1f} ms; {rss / count / 1024:.0f} KiB of RSS, {live / count / 1024:.0f} of heap each"
    if wrong or took > 0.1:
        return f"{wrong} wrong bodies, {shown}"
    return None, f"{count} held, {shown}"


def kept_alive(file):
    """kept-alive ranges of 100 bytes on 16 connections: median under 1 ms"""
    took = []

    def ask(server):
        with server.connect() as client:
            for _ in range(500):
                start = time.monotonic()
                client.sendall(request("0-99"))
                client.recv(4096)
                took.append(time.monotonic() - start)

    with Server(PROGRAM, file) as server:
        # One after the other has no waiting of the client's own in it; 16 at once show that none stalls.
        idle = [server.connect() for _ in range(15)]
        ask(server)
        median = statistics.median(took)
        threads = [threading.Thread(target=ask, args=(server,)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for client in idle:
            client.close()
    stalls = sum(t > 0.035 for t in took)
    shown = f"median {1000 * median:.2f} ms, {stalls} of {len(took)} above 35 ms"
    return (None, shown) if median < 0.001 and stalls < len(took) / 100 else shown


def resets(file):
    """1,000 clients that reset before, after and amid: nothing but trace lines, live heap back at its start"""
    with Server(PROGRAM, file) as server:
        server.figures()
        before = server.figures()["live"]
        for n in range(1000):
            client = server.connect()
            if n % 3:
                client.sendall(request())
            if n % 3 == 2:
                client.recv(1000)
            reset(client)
        wait_until(lambda: server.figures()["in_flight"] == 0, 10)
        time.sleep(7)
        after = server.figures()["live"]
        strange = [event for event in server.events() if event["event"] not in ("listening", "request")]
    shown = f"{before} bytes live before, {after} after"
    return (None, shown) if not strange and after - before < 16384 else f"{shown}; {strange[:2]}"


def slow_and_silent(file):
    """300 idle, 300 dripping, 100 not reading in buffer mode: others are served, and after the timeout all is freed"""
    with Server(PROGRAM, file, "--mode", "buffer", "--timeout", "2") as server:
        idle = [server.connect() for _ in range(300)]
        dripping = [server.connect() for _ in range(300)]
        deaf = [server.connect(receive_bytes=4096) for _ in range(20 if SHORT else 100)]
        for client in dripping:
            client.sendall(b"GET / HTTP/1.1\r\nX-Drip: ")
        for client in deaf:
            client.sendall(request())
        start = time.monotonic()
        with server.connect() as other:
            other.sendall(request("0-99"))
            status, _ = read_answer(other)
        served = time.monotonic() - start
        held = server.figures()["live_peak"]
        freed = wait_until(lambda: server.figures()["live"] < 4 * MIB, 20)
        gone = wait_until(lambda: server.descriptors() < 20, 10)
        outcomes = {event["outcome"] for event in server.requests() if event["status"] == 200}
        for client in idle + dripping + deaf:
            client.close()
    shown = f"another in {1000 * served:.0f} ms; {held // MIB} MiB held at most, freed after {freed or 0:.1f} s"
    right = status == 206 and freed is not None and gone is not None and outcomes == {"timed_out"}
    return (None, shown) if right else f"{shown}; {status}, {outcomes}, gone: {gone}"


def pipelined(file):
    """5,000 pipelined requests on one socket that is never read: one thread, one body at a time"""
    with Server(PROGRAM, file, "--mode", "buffer") as server:
        with server.connect(receive_bytes=4096) as client:
            client.settimeout(2)
            client.sendall(request() * 5000)
            time.sleep(1)
            figures, threads = server.figures(), server.threads()
    size = os.path.getsize(file)
    shown = f"{threads} threads, {figures['in_flight']} answering, {(figures['live'] - size) // 1024} KiB beside the body"
    right = threads < 30 and figures["in_flight"] == 1 and figures["live"] - size < 16 * MIB
    return (None, shown) if right else shown


def idle(file):
    """an idle server: under 0.1 % of a CPU, and its heap does not move"""
    seconds = 10 if SHORT else 60
    with Server(PROGRAM, file) as server:
        server.figures()
        time.sleep(7)
        live = server.figures()["live"]
        # The threads that answered this end in the next five seconds.
        time.sleep(7)
        cpu = server.cpu_seconds()
        time.sleep(seconds)
        used = server.cpu_seconds() - cpu
        moved = server.figures()["live"] - live
    shown = f"{100 * used / seconds:.3f} % over {seconds} s, heap moved by {moved} bytes"
    return (None, shown) if used <= 0.001 * seconds and abs(moved) < 1024 else shown


ROWS = [
    (bursts_of_downloads, "big"),
    (burst_of_connections, "small"),
    (held_viewers, "small" if SHORT else "held"),
    (kept_alive, "small"),
    (resets, "big"),
    (slow_and_silent, "big"),
    (pipelined, "big"),
    (idle, "small"),
]
