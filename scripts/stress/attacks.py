"""Rows of what is sent (W1, W2, W3, W5, W7, W8): heads and bodies that stop, that never end, or that never come."""

import time

from bystander import Bystander
from client import request, reset, upload
from options import PROGRAM, SHORT
from row import PARKED_KIB, PIPELINE_KIB, QUEUE_KIB, Idle, in_threads
from server import Server
from waiting import PATIENCE_SECONDS, wait_until

# A server that takes more than this has no bound. The attack then stops, for the sake of the machine.
STOP_KIB = 768 * 1024
# A client of an attack gives up a connection from which the server has read nothing for so long.
UNREAD_SECONDS = 2 if SHORT else 20


def held_back_body(server):
    """A connection with 300 answers to come, a close, and a body of which nothing is sent."""
    client = server.connect(receive_bytes=4096)
    closing = request("0-0")[:-2] + b"Connection: x\r\nConnection: close\r\n\r\n"
    client.sendall(request("0-0") * 300 + closing + upload(2000).replace(b"PUT", b"POST"))
    return client


def w1_withheld_body(row, file):
    """300 GETs, a close and a POST without its body on each of 10 connections (or 3)"""
    withheld_bodies(row, file, dripping=False)


def w1_dripping_body(row, file):
    """the same, and the body comes one byte at a time"""
    withheld_bodies(row, file, dripping=True)


def withheld_bodies(row, file, dripping):
    clients = []
    # Others would have to wait for the timeout, so it is longer than they wait.
    with Server(PROGRAM, file, "--timeout", "600") as server:
        idle = Idle(server)
        with Bystander(row, server, file) as others:
            for _ in range(3 if SHORT else 10):
                clients.append(held_back_body(server))
                for _ in range(4):
                    # About 200 ms.
                    if not others.sees(25):
                        return
                    for client in clients if dripping else ():
                        drips(client)
            for client in clients:
                client.close()
        row.demand_nothing_left(server, idle, heap_kib=PIPELINE_KIB)


def drips(client):
    """Sends one byte. Returns whether the connection was still there."""
    try:
        client.sendall(b"x")
        return True
    except OSError:
        return False


def w2_forgotten_pipeline(row, file):
    """6,000 GETs behind a stalled download, then a reset"""
    most_seconds = 0
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        with Bystander(row, server, file) as others:
            for _ in range(1 if SHORT else 3):
                client = server.connect(receive_bytes=4096)
                client.sendall(request())
                try:
                    client.sendall(request("0-0") * 6000)
                except ConnectionError:
                    pass  # The server lets fewer wait.
                await_quiet(server)
                before = server.cpu_seconds()
                reset(client)
                answered = others.sees(50)
                await_quiet(server)
                most_seconds = max(most_seconds, server.cpu_seconds() - before)
                if not answered:
                    break
        row.demand_at_most(most_seconds, 0.5, "s", "CPU")
        row.demand(most_seconds < 10, f"it took {most_seconds:.1f} s of CPU")
        row.demand_nothing_left(server, idle, heap_kib=PIPELINE_KIB)


def await_quiet(server):
    """Waits until the server takes less than a fifth of a CPU. The bystander alone needs less."""

    def is_quiet():
        before = server.cpu_seconds()
        time.sleep(0.2)
        return server.cpu_seconds() - before < 0.04

    # Once may be a pause that other programs caused.
    wait_until(lambda: all(is_quiet() for _ in range(3)), 30)


def demand_memory(row, server, most_mib):
    """Demands that the server's resident set had a bound, and in the full run that it was this one."""
    peak_kib = server.resident_kib("VmHWM")
    row.demand_at_most(peak_kib / 1024, most_mib, "MiB", "resident at most")
    row.demand(peak_kib < STOP_KIB, f"{peak_kib // 1024} MiB were resident, as if there were no bound")


def w3_waiting_heads(row, file):
    """3,000 pipelined heads with a field of 300 kB each"""
    # A field that the server reads, and one of the body, for which tiny_http's request is kept as it came.
    head = request()[:-2] + b'Content-Length: 0\r\nIf-None-Match: "' + b"x" * 300_000 + b'"\r\n\r\n'
    sent = 0
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        with Bystander(row, server, file, hung_up_most=1) as others:
            with server.connect(receive_bytes=4096) as client:
                client.settimeout(UNREAD_SECONDS)
                try:
                    while sent < 3000 and server.resident_kib() < STOP_KIB:
                        client.sendall(head)
                        sent += 1
                except OSError:
                    pass  # The server hung up, or reads no further.
                others.sees(20)
        row.show(f"{sent} heads sent")
        demand_memory(row, server, 160)
        row.demand_nothing_left(server, idle)


def w5_gone_before_the_answer(row, file):
    """300 clients that leave before their 400 is sent, beside 500 idle ones"""
    count = 300
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        with Bystander(row, server, file) as others:
            silent = [server.connect() for _ in range(500)]
            await_quiet(server)
            before = server.cpu_seconds()
            for _ in range(count):
                with server.connect() as client:
                    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            others.sees(50)
            await_quiet(server)
            each_ms = 1000 * (server.cpu_seconds() - before) / count
            for client in silent:
                client.close()
        row.demand_at_most(each_ms, 0.5, "ms", "CPU for each, the bystander's included:")
        row.demand_nothing_left(server, idle)


def sends_without_end(server, piece, until):
    """Sends heads that never end, until `until`. Where the server hangs up or reads no further, it opens another
    connection."""
    while time.monotonic() < until and server.resident_kib() < STOP_KIB:
        try:
            with server.connect() as client:
                client.settimeout(UNREAD_SECONDS)
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
                while time.monotonic() < until and server.resident_kib() < STOP_KIB:
                    client.sendall(piece)
        except OSError:
            pass


def w7_endless_heads(row, file):
    """four heads that never end, for 8 s (or 3), as one line and as many"""
    pieces = {"one line": b"x" * (512 << 10), "lines": b"\r\na: b" * (80 << 10)}
    for name, piece in pieces.items():
        row.part(name)
        with Server(PROGRAM, file) as server:
            idle = Idle(server)
            with Bystander(row, server, file, hung_up_most=1) as others:
                until = time.monotonic() + (3 if SHORT else 8)
                in_threads(sends_without_end, [(server, piece, until)] * 4)
                others.sees(20)
            demand_memory(row, server, 64)
            row.demand_nothing_left(server, idle)


def w7_long_heads(row, file):
    """100 clients with heads of 1,024 lines of 32 kB"""
    line = b"\r\na: " + b"x" * 32_000

    def sends(server):
        try:
            with server.connect() as client:
                client.settimeout(UNREAD_SECONDS)
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost")
                for _ in range(1024):
                    if server.resident_kib() > STOP_KIB:
                        break
                    client.sendall(line)
        except OSError:
            pass

    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        with Bystander(row, server, file, hung_up_most=1) as others:
            in_threads(sends, [(server,)] * 100)
            others.sees(20)
        demand_memory(row, server, 160)
        row.demand_nothing_left(server, idle)


def refused_upload(server):
    """A connection whose upload has been refused, and that goes on to send it."""
    while True:
        client = server.connect()
        client.sendall(upload(10**12))
        answer = client.recv(65536)
        if answer.startswith(b"HTTP/1.1 4"):
            return client
        client.close()
        # Without an answer: the timeout was over before the head was sent.
        if answer:
            raise RuntimeError(f"an upload of 1 TB was answered with {answer[:20]}")


def w8_dripping(row, file):
    """50 heads, bodies and refused uploads (or 10 each) that come a byte every 300 ms: the timeout of 2 s ends them"""
    timeout_seconds, each = 2, 10 if SHORT else 50
    openings = {"head": b"GET / HTTP/1.1\r\nX: ", "body": upload(2000)}
    with Server(PROGRAM, file, "--timeout", str(timeout_seconds)) as server:
        idle = Idle(server)
        with Bystander(row, server, file, hung_up_most=0 if not SHORT else 1):
            dripping = {refused_upload(server): "refused upload" for _ in range(each)}
            for kind, opening in openings.items():
                for _ in range(each):
                    client = server.connect()
                    client.sendall(opening)
                    dripping[client] = kind
            ended = drip_until_ended(dripping)
        for kind in (*openings, "refused upload"):
            row.part(kind)
            stayed = list(dripping.values()).count(kind)
            row.demand(not stayed, f"{stayed} of {each} stayed")
            row.demand_at_most(ended.get(kind, float("inf")), timeout_seconds + 1.5, "s", "the last ended after")
        row.part("all")
        # Each refused upload parks a thread.
        row.demand_nothing_left(server, idle, threads=each, heap_kib=QUEUE_KIB + each * PARKED_KIB)


def drip_until_ended(dripping):
    """Sends a byte to each from time to time. Takes those out of `dripping` that the server has hung up on.

    Returns after how many seconds the last of each kind ended.
    """
    start, ended = time.monotonic(), {}
    while dripping and time.monotonic() - start < PATIENCE_SECONDS:
        time.sleep(0.3)
        for client in [client for client in dripping if not drips(client)]:
            ended[dripping.pop(client)] = time.monotonic() - start
            client.close()
    for client in dripping:
        client.close()
    return ended


ROWS = [
    (w1_withheld_body, "big"),
    (w1_dripping_body, "big"),
    (w2_forgotten_pipeline, "big"),
    (w3_waiting_heads, "big"),
    (w5_gone_before_the_answer, "small"),
    (w7_endless_heads, "small"),
    (w7_long_heads, "small"),
    (w8_dripping, "small"),
]
