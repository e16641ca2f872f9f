"""Rows of load and faults: bursts, thousands of viewers, resets, pipelines, and an idle server."""

import os
import socket
import statistics
import subprocess
import time

from client import HOST, first_bytes, is_answered, read_answer, request, reset
from options import PROGRAM, SHORT
from row import MIB, PIPELINE_KIB, Idle, in_threads
from server import Server
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady

NEVER = float("inf")


def first_of(file, length_bytes):
    with open(file, "rb") as whole:
        return whole.read(length_bytes)


def bursts_of_downloads(row, file):
    """8, 40 and 200 rate-limited downloads that start at once"""
    beginning = first_of(file, 65536)
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        for clients in (8, 40, 200):
            row.part(f"{clients} downloads")
            slowest = 0
            for _ in range(2 if SHORT else 20):
                times, wrong = burst(server, clients, beginning)
                row.demand(not wrong, f"{wrong} of them did not begin with the bytes of the file")
                slowest = max(slowest, *times)
            row.demand_at_most(1000 * slowest, 500, "ms", "the latest first byte came after")
        row.demand_nothing_left(server, idle)


def burst(server, clients, beginning):
    """Starts so many curls. Returns after how many seconds each had its first byte, and how many got wrong bytes."""
    # A process each: one curl with 200 transfers would itself be the bottleneck.
    command = ["curl", "-q", "--noproxy", "*", "--silent", "--limit-rate", "1M", "--max-time", str(PATIENCE_SECONDS)]
    command += ["--write-out", "%{stderr}%{time_starttransfer}", f"http://{HOST}:{server.port}/"]
    curls, wrong, times = [], 0, []
    try:
        for _ in range(clients):
            curls.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        for curl in curls:
            wrong += curl.stdout.read(len(beginning)) != beginning
        # All downloads run until here. Now curl's next write fails, and curl ends.
        for curl in curls:
            curl.stdout.close()
        for curl in curls:
            times.append(float(curl.stderr.read() or NEVER))
    finally:
        for curl in curls:
            curl.kill()
            curl.wait()
            curl.stdout.close()
            curl.stderr.close()
    return times, wrong


def burst_of_connections(row, file):
    """500 connections at the same instant"""
    slowest = []
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        for _ in range(3 if SHORT else 10):
            times, opened = first_bytes(server.port, 500, request("0-99"), PATIENCE_SECONDS)
            slowest.append(max(times))
            for client in opened:
                client.close()
            row.demand(slowest[-1] < NEVER, f"{times.count(NEVER)} were not answered")
            # The next burst meets a server without connections.
            wait_until(lambda: server.descriptors() <= idle.descriptors)
        row.show(f"median of the slowest {1000 * statistics.median(slowest):.0f} ms")
        row.demand_at_most(1000 * max(slowest), 300, "ms", "the slowest was answered after")
        row.demand_nothing_left(server, idle)


def held_viewers(row, file):
    """2,000 slow viewers (or 500) held at once, and one more"""
    count = 500 if SHORT else 2000
    whole = first_of(file, -1)
    # The last viewer reads on only after all others have read everything.
    with Server(PROGRAM, file, "--timeout", "600") as server:
        idle = Idle(server)
        viewers = [server.connect(receive_bytes=4096) for _ in range(count)]
        for viewer in viewers:
            viewer.sendall(request())
        unanswered = sum(not viewer.recv(1, socket.MSG_PEEK) for viewer in viewers)
        row.demand(not unanswered, f"{unanswered} viewers had no first byte")
        start = time.monotonic()
        row.demand(is_answered(server.port, PATIENCE_SECONDS), "one more was not answered")
        row.demand_at_most(1000 * (time.monotonic() - start), 100, "ms", "one more was answered after")
        figures = server.figures()
        rss_kib, heap_kib = (figures[name] / count / 1024 for name in ("rss", "live"))
        row.show(f"{count} held: {rss_kib:.0f} KiB of RSS and {heap_kib:.0f} of heap each")
        wrong = 0
        for viewer in viewers:
            wrong += read_answer(viewer) != (200, whole)
            viewer.close()
        row.demand(not wrong, f"{wrong} viewers got wrong bytes")
        row.demand_nothing_left(server, idle)


def kept_alive(row, file):
    """500 ranges of 100 bytes on each of 16 connections that are kept alive"""
    took_seconds, wrong = [], []
    right = (206, first_of(file, 100))

    def ask(server):
        try:
            with server.connect() as client:
                for _ in range(500):
                    start = time.monotonic()
                    client.sendall(request("0-99"))
                    answer = read_answer(client)
                    took_seconds.append(time.monotonic() - start)
                    if answer != right:
                        wrong.append(answer)
        except OSError as error:
            wrong.append(error)

    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        # The median is that of a client alone, which does not wait for others of this program. The 16 at once show
        # whether one stalls.
        others = [server.connect() for _ in range(15)]
        ask(server)
        row.demand_at_most(1000 * statistics.median(took_seconds), 1, "ms", "the median is")
        in_threads(ask, [(server,)] * 16)
        for client in others:
            client.close()
        stalls = sum(seconds > 0.035 for seconds in took_seconds)
        row.demand_at_most(stalls, len(took_seconds) / 100, f"of {len(took_seconds)}", "above 35 ms are")
        row.demand(not wrong, f"{len(wrong)} answers were wrong or missing: {wrong[:2]}")
        row.demand_nothing_left(server, idle)


def resets(row, file):
    """1,000 clients that reset their connection before, after and during the answer"""
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        for n in range(1000):
            client = server.connect()
            if n % 3:
                client.sendall(request())
            if n % 3 == 2:
                client.recv(1000)
            reset(client)
        row.demand_nothing_left(server, idle)
        strange = [event for event in server.events() if event["event"] not in ("listening", "request")]
        row.demand(not strange, f"the trace has {strange[:2]}")


def slow_and_silent(row, file):
    """300 idle clients, 300 that send a head slowly and 100 (or 10) that do not read, in buffer mode, timeout 2"""
    with Server(PROGRAM, file, "--mode", "buffer", "--timeout", "2") as server:
        idle = Idle(server)
        silent = [server.connect() for _ in range(300)]
        slow = [server.connect() for _ in range(300)]
        deaf = [server.connect(receive_bytes=4096) for _ in range(10 if SHORT else 100)]
        for client in slow:
            client.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        for client in deaf:
            client.sendall(request())
        served = wait_until(lambda: is_answered(server.port))
        row.demand(served is not None, "another client was not answered")
        row.show(f"{server.figures()['live_peak'] // MIB} MiB of heap at most")
        freed = wait_until(lambda: server.figures()["live"] < 4 * MIB)
        row.demand(freed is not None, "their memory was not freed")
        if freed is not None:
            row.demand_at_most(freed, 20, "s", "freed after")
        row.demand_nothing_left(server, idle)
        outcomes = {event["outcome"] for event in server.requests() if event["status"] == 200}
        row.demand(outcomes == {"timed_out"}, f"those that did not read ended with {outcomes}")
        for client in silent + slow + deaf:
            client.close()


def pipelined(row, file):
    """5,000 pipelined requests on a connection that is never read, in buffer mode: one is answered at a time"""
    size_bytes = os.path.getsize(file)
    with Server(PROGRAM, file, "--mode", "buffer") as server:
        idle = Idle(server)
        with server.connect(receive_bytes=4096) as client:
            client.sendall(request() * 5000)
            begun = wait_until(lambda: server.figures()["in_flight"] > 0)
            row.demand(begun is not None, "no answer began")
            # As soon as the heap stays as it is, the server has read all that it will.
            wait_until_steady(lambda: server.figures()["live"] // MIB, 1)
            figures, threads = server.figures(), server.threads()
        beside_bytes = figures["live"] - size_bytes
        row.show(f"{threads} threads, {figures['in_flight']} answering, {beside_bytes // 1024} KiB beside the body")
        row.demand(threads < 30, f"there are {threads} threads, not under 30")
        row.demand(figures["in_flight"] == 1, f"{figures['in_flight']} are answered at once")
        row.demand(beside_bytes < 16 * MIB, "the waiting requests take more than 16 MiB")
        row.demand_nothing_left(server, idle, heap_kib=PIPELINE_KIB)


def idle_server(row, file):
    """a server that nobody uses: no CPU, and its heap does not move"""
    seconds = 5 if SHORT else 60
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        row.demand_nothing_left(server, idle, heap_kib=1)
        # The threads that answered this end within five seconds.
        wait_until_steady(server.threads, 5.5)
        cpu_seconds = server.cpu_seconds()
        time.sleep(seconds)
        percent = 100 * (server.cpu_seconds() - cpu_seconds) / seconds
        row.demand_at_most(percent, 0.1, "%", f"CPU over {seconds} s")
        # A loop that never sleeps takes far more; what else runs on the machine does not add to this.
        row.demand(percent < 10, f"it used {percent:.1f} % of a CPU")
        row.demand_nothing_left(server, idle, heap_kib=1)


def load_script(row, file):
    """scripts/load.sh with 20 viewers of each mode"""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "load.sh")
    for mode in ("buffer", "stream"):
        row.part(mode)
        with Server(PROGRAM, file, "--mode", mode) as server:
            idle = Idle(server)
            command = [script, "-n", "20", server.url]
            running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                said = running.communicate(timeout=5 * PATIENCE_SECONDS)[0].splitlines()
            finally:
                # It stops what it has started.
                running.terminate()
                running.wait()
            row.demand(running.returncode == 0, f"exit code {running.returncode}: {said}")
            row.show(", ".join(said[1:2]))
            row.demand_nothing_left(server, idle)


ROWS = [
    (bursts_of_downloads, "big"),
    (burst_of_connections, "small"),
    (held_viewers, "small" if SHORT else "held"),
    (kept_alive, "small"),
    (resets, "big"),
    (slow_and_silent, "big"),
    (pipelined, "big"),
    (idle_server, "small"),
    (load_script, "big"),
]
