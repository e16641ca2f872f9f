"""Rows of what runs out (W4, W6, W9, W10): descriptors and threads."""

import os
import shutil
import socket
import time

from bystander import Bystander
from client import curl_upload, has_ended, is_answered, read_status, request, upload
from options import PROGRAM, SHORT
from row import PARKED_KIB, QUEUE_KIB, Idle
from server import Server
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady

# A thread that has nothing to do ends within five seconds.
THREADS_STEADY_SECONDS = 5.5


def w4_refused_uploads(row, file):
    """600 uploads that are announced and never sent, then uploads by curl, under 256 descriptors"""
    with Server(PROGRAM, file, descriptors=256) as server:
        idle, resident_kib = Idle(server), server.resident_kib()
        with Bystander(row, server, file):
            unsent = announces_uploads(server, 600)
            sent = {} if "none" in unsent else curl_uploads(server, file, 5 if SHORT else 30)
        row.demand(unsent <= {"ended", 400, 405, 408, 413}, f"those without a body got {unsent}")
        row.demand(sent and set(sent) <= {"curl 405", "curl 413"}, f"those by curl got {sent}")
        # Every second one announces too much to be read, and parks a thread.
        row.demand_nothing_left(server, idle, threads=300, heap_kib=QUEUE_KIB + 300 * PARKED_KIB)
        show_parked(row, server, idle, resident_kib)


def show_parked(row, server, idle, resident_kib):
    """Shows how many threads the server has more than when it was idle, and what they cost."""
    parked = max(server.threads() - idle.threads, 0)
    each_kib = (server.resident_kib() - resident_kib) / max(parked, 1)
    row.show(f"{parked} threads parked, {each_kib:.0f} KiB of RSS each")


def announces_uploads(server, count):
    """Announces so many bodies and sends none. Returns the answers. Stops at the first that does not come."""
    statuses = set()
    for n in range(count):
        with server.connect() as client:
            try:
                client.sendall(upload((200_000, 10**12)[n % 2]))
                # The server need not wait for its timeout: nothing more will come.
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It was refused already.
            statuses.add(read_status(client))
        if "none" in statuses:
            break
    return statuses


def curl_uploads(server, file, rounds):
    """Uploads 200 kB and 3 MB in each round. Returns how often each answer came."""
    seen = {}
    for size_bytes in (200_000, 3_000_000):
        path = f"{file}.{size_bytes}"
        with open(path, "wb") as body:
            body.write(os.urandom(size_bytes))
        for _ in range(rounds):
            said = curl_upload(server.port, os.path.basename(file), path=path)
            seen[said] = seen.get(said, 0) + 1
    return seen


def w6_http_2(row, file):
    """1,200 (or 700) request lines of HTTP/2.0 and prefaces of HTTP/2, under 1,024 descriptors, timeout 2"""
    openings = (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    with Server(PROGRAM, file, "--timeout", "2", descriptors=1024) as server:
        idle, resident_kib = Idle(server), server.resident_kib()
        # When descriptors run short, the server closes connections that are idle or have just been accepted.
        with Bystander(row, server, file, slowest_most_seconds=5, hung_up_most=1) as others:
            waiting = []
            for n in range(700 if SHORT else 1200):
                client = server.connect()
                try:
                    client.sendall(openings[n % 2])
                except ConnectionError:
                    pass
                if n % 200 < 2:
                    waiting.append(client)
                else:
                    client.close()
            ended = wait_until(lambda: all(has_ended(client) for client in waiting))
            row.demand(ended is not None, "some of them are not hung up on")
            if ended is not None:
                row.demand_at_most(ended, 10, "s", "the last was hung up on after")
            others.sees(50)
        for client in waiting:
            client.close()
        # The server takes descriptors back only while they are short, so it has to leave some free for others.
        free = wait_until(lambda: server.descriptors() <= 1000)
        row.demand(free is not None, f"{server.descriptors()} descriptors are left")
        row.demand(is_answered(server.port, PATIENCE_SECONDS), "nobody is answered afterwards")
        wait_until_steady(server.threads, THREADS_STEADY_SECONDS)
        row.show(f"{server.descriptors() - idle.descriptors} descriptors more than before")
        show_parked(row, server, idle, resident_kib)


def w9_out_of_threads(row, file):
    """a limit of 100 threads, and 200 viewers who all leave, once (or three times)"""
    program = f"{file}.heapserve"
    shutil.copy(PROGRAM, program)
    os.chmod(program, 0o755)
    slowest_seconds = 0
    with Server(program, file, threads=100) as server:
        idle = Idle(server)
        for _ in range(1 if SHORT else 3):
            viewers = [server.connect(receive_bytes=4096) for _ in range(200)]
            for viewer in viewers:
                viewer.sendall(request())
            # It needs more threads than it can have.
            wait_until_steady(server.threads, 0.5)
            threads_most = server.threads()
            for viewer in viewers:
                viewer.close()
            back = wait_until(lambda: is_answered(server.port, 1 if not SHORT else 10))
            row.demand(back is not None, f"no answer after {threads_most} threads; stderr: {strange(server.lines)[:2]}")
            if back is None:
                return
            slowest_seconds = max(slowest_seconds, back)
            row.demand_nothing_left(server, idle)
        with Bystander(row, server, file) as others:
            others.sees(20)
        odd = strange(server.lines)
    row.show(f"{threads_most} threads at most")
    row.demand(threads_most >= 95, "the limit of threads was not reached")
    row.demand_at_most(slowest_seconds, 1, "s", "others are answered again after")
    row.demand(not odd, f"stderr has {len(odd)} other lines: {odd[:2]}")


def strange(lines):
    """The lines of stderr that do not report the start or a request."""
    ours = ('{"event":"listening"', '{"event":"request"')
    return [line.strip() for line in list(lines) if not line.startswith(ours)]


def w10_out_of_descriptors(row, file):
    """a limit of 64 descriptors, and 200 clients at once, ten times (or three), timeout 2, 0 and 0.1"""
    for timeout in ("2", "0", "0.1"):
        row.part(f"timeout {timeout}")
        out_of_descriptors(row, file, timeout)


def out_of_descriptors(row, file, timeout):
    slowest_seconds = 0
    with Server(PROGRAM, file, "--timeout", timeout, descriptors=64) as server:
        for _ in range(3 if SHORT else 10):
            wrong = floods(server, file)
            row.demand(not wrong, f"{wrong} of the clients got wrong bytes")
            back = wait_until(lambda: is_answered(server.port, 1 if not SHORT else 10))
            row.demand(back is not None, "no answer afterwards")
            if back is None:
                return
            slowest_seconds = max(slowest_seconds, back)
            wait_until(lambda: server.descriptors() < 20)
        row.demand_at_most(slowest_seconds, 2, "s", "others are answered again after")
        few = wait_until(lambda: server.threads() < 30)
        row.demand(few is not None, f"{server.threads()} threads are left, not under 30")
        if few is not None:
            row.demand_at_most(few, 10, "s", "under 30 threads after")
        small = wait_until(lambda: server.figures()["live"] < 1 << 20)
        row.demand(small is not None, f"{server.figures()['live']} bytes of heap are left")
        row.demand(server.descriptors() < 20, f"{server.descriptors()} descriptors are left")
        # A connection that sends nothing for 0.1 s is closed, and the bystander may be slower than that.
        with Bystander(row, server, file, hung_up_most=1) as others:
            others.sees(20)


def floods(server, file):
    """200 clients that ask for the file at once and leave after 0.3 s. Returns how many got wrong bytes."""
    with open(file, "rb") as opened:
        whole = opened.read()
    clients = [server.connect() for _ in range(200)]
    for client in clients:
        try:
            client.sendall(request(close=True))
        except ConnectionError:
            pass  # Closed without an answer, for want of descriptors.
    time.sleep(0.3)
    wrong = 0
    for client in clients:
        client.setblocking(False)
        try:
            data = client.recv(1 << 20)
        except OSError:
            data = b""
        wrong += data.startswith(b"HTTP/1.1 200") and not whole.startswith(data.partition(b"\r\n\r\n")[2])
        client.close()
    return wrong


ROWS = [
    (w4_refused_uploads, "small"),
    (w6_http_2, "small"),
    (w9_out_of_threads, "big"),
    (w10_out_of_descriptors, "small"),
]
