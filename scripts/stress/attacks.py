"""The rows of what is sent (W1, W2, W3, W5, W7, W8): heads and bodies that stop, never end, or never come."""

import threading
import time

from bystander import Bystander, together
from client import request, reset, upload, wait_until
from options import PROGRAM, SHORT
from server import Server

MIB = 1 << 20
# What an attack may take of this machine before its row gives up; far above every bound.
STOP_KIB = 1536 * 1024


def held_back_body(server):
    """A connection with 300 answers to come, a close, and a body of which nothing is sent."""
    client = server.connect(receive_bytes=4096)
    closing = request("0-0")[:-2] + b"Connection: x\r\nConnection: close\r\n\r\n"
    client.sendall(request("0-0") * 300 + closing + upload(2000).replace(b"PUT", b"POST"))
    return client


def w1_withheld_body(file):
    """300 GETs, a close and a POST without its body on one socket: others wait for nothing"""
    return withheld_bodies(file, dripping=False)


def w1_dripping_body(file):
    """the same, and the body comes a byte at a time: others wait for nothing"""
    return withheld_bodies(file, dripping=True)


def withheld_bodies(file, dripping):
    clients = []
    with Server(PROGRAM, file) as server, Bystander(server, file) as others:
        for _ in range(3 if SHORT else 10):
            clients.append(held_back_body(server))
            # A byte about every 200 ms, as the bystander asks.
            if not all(others.sees(25) and (not dripping or drip_all(clients)) for _ in range(4)):
                break
        for client in clients:
            client.close()
    return others.verdict(True, f"{len(clients)} clients")


def drip_all(clients):
    for client in clients:
        drips(client, b"x")
    return True


def drips(client, byte):
    """Sends one byte; whether the connection was still there for it."""
    try:
        client.sendall(byte)
        return True
    except OSError:
        return False


def w2_forgotten_pipeline(file):
    """6,000 GETs behind a stalled download, then a reset: under 0.5 s of CPU"""
    rounds = 1 if SHORT else 3
    worst = 0
    with Server(PROGRAM, file) as server, Bystander(server, file) as others:
        for _ in range(rounds):
            client = server.connect(receive_bytes=4096)
            client.sendall(request())
            try:
                client.sendall(request("0-0") * 6000)
            except ConnectionError:
                pass  # More than may wait, for this server.
            until_quiet(server)
            before = server.cpu_seconds()
            reset(client)
            answered = others.sees(50)
            until_quiet(server)
            worst = max(worst, server.cpu_seconds() - before)
            if not answered:
                break
    return others.verdict(worst < (5 if SHORT else 0.5), f"{worst:.2f} s of CPU at most")


def until_quiet(server):
    """Waits until the server takes less than a fifth of a CPU, which is more than the bystander needs."""

    def is_quiet():
        before = server.cpu_seconds()
        time.sleep(0.2)
        return server.cpu_seconds() - before < 0.04

    # Once may be a pause that the machine's other programs caused.
    wait_until(lambda: all(is_quiet() for _ in range(3)), 30)


def w3_waiting_heads(file):
    """3,000 pipelined heads with a field of 300 kB each: at most 160 MiB resident"""
    bound_mib = 320 if SHORT else 160
    # A field that the server reads, and a body field, with which tiny_http's request is kept as it came.
    head = request()[:-2] + b'Content-Length: 0\r\nIf-None-Match: "' + b"x" * 300_000 + b'"\r\n\r\n'
    sent = 0
    with Server(PROGRAM, file) as server, Bystander(server, file) as others:
        with server.connect(receive_bytes=4096) as client:
            try:
                while sent < 3000 and server.resident_kib() < STOP_KIB:
                    client.sendall(head)
                    sent += 1
            except OSError:
                pass  # Hung up on, or read no further.
            others.sees(20)
        resident_mib = server.resident_kib("VmHWM") // 1024
    return others.verdict(resident_mib <= bound_mib, f"{sent} heads sent, {resident_mib} MiB at most")


def w5_gone_before_the_answer(file):
    """300 clients that leave before their 400 is sent, beside 500 idle ones: under 0.5 ms of CPU each"""
    count = 300
    with Server(PROGRAM, file) as server, Bystander(server, file) as others:
        idle = [server.connect() for _ in range(500)]
        until_quiet(server)
        before = server.cpu_seconds()
        for _ in range(count):
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        others.sees(50)
        until_quiet(server)
        each_ms = 1000 * (server.cpu_seconds() - before) / count
        for client in idle:
            client.close()
    return others.verdict(each_ms < (4 if SHORT else 0.5), f"{each_ms:.2f} ms each, the bystander's asks included")


def sends_without_end(server, piece, until):
    """Sends heads that never end until `until`, on a new connection after each hang-up."""
    while time.monotonic() < until and server.resident_kib() < STOP_KIB:
        try:
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
                while time.monotonic() < until and server.resident_kib() < STOP_KIB:
                    client.sendall(piece)
        except OSError:
            pass


def in_threads(work, arguments):
    """Calls `work` with each tuple of arguments, all at the same time."""
    threads = [threading.Thread(target=work, args=one) for one in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def w7_endless_heads(file):
    """four heads that never end, for 8 s, as one line and as many: at most 64 MiB resident"""
    pieces = {"one line": b"x" * (512 << 10), "lines": b"\r\na: b" * (80 << 10)}
    return together([endless_heads(file, name, piece) for name, piece in pieces.items()])


def endless_heads(file, name, piece):
    bound_mib, seconds = 160 if SHORT else 64, 8
    with Server(PROGRAM, file) as server, Bystander(server, file, hung_up_most=1) as others:
        until = time.monotonic() + seconds
        in_threads(sends_without_end, [(server, piece, until)] * 4)
        others.sees(20)
        resident_mib = server.resident_kib("VmHWM") // 1024
    return others.verdict(resident_mib <= bound_mib, f"{name}: {resident_mib} MiB at most")


def w7_long_heads(file):
    """100 clients with heads of 1,024 lines of 32 kB: at most 160 MiB resident"""
    bound_mib = 320 if SHORT else 160
    line = b"\r\na: " + b"x" * 32_000

    def sends(server):
        try:
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost")
                for _ in range(1024):
                    if server.resident_kib() > STOP_KIB:
                        break
                    client.sendall(line)
        except OSError:
            pass

    with Server(PROGRAM, file) as server, Bystander(server, file, hung_up_most=1) as others:
        in_threads(sends, [(server,)] * 100)
        others.sees(20)
        resident_mib = server.resident_kib("VmHWM") // 1024
    return others.verdict(resident_mib <= bound_mib, f"{resident_mib} MiB at most")


def refused_upload(server):
    """A connection whose upload has been refused, and that goes on to send it."""
    client = server.connect()
    client.sendall(upload(10**12))
    if not client.recv(65536).startswith(b"HTTP/1.1 4"):
        raise RuntimeError("an upload of 1 TB was not refused")
    return client


def w8_dripping(file):
    """heads, bodies and refused uploads that come a byte every 300 ms: ended by the timeout of 2 s"""
    timeout, each = 2, 10 if SHORT else 50
    most = timeout + (10 if SHORT else 1.5)
    openings = {"head": b"GET / HTTP/1.1\r\nX: ", "body": upload(2000)}
    with Server(PROGRAM, file, "--timeout", str(timeout)) as server:
        before = server.descriptors()
        with Bystander(server, file) as others:
            dripping = {refused_upload(server): "refused" for _ in range(each)}
            for kind, opening in openings.items():
                for _ in range(each):
                    client = server.connect()
                    client.sendall(opening)
                    dripping[client] = kind
            ended = drip_until_ended(dripping, most + 1)
        back = wait_until(lambda: server.descriptors() <= before, timeout + 10)
    stayed = {kind: list(dripping.values()).count(kind) for kind in (*openings, "refused")}
    times = ", ".join(f"{kind} after {ended.get(kind, 0):.1f} s ({stayed[kind]} stayed)" for kind in stayed)
    right = not any(stayed.values()) and max(ended.values()) <= most and back is not None
    return others.verdict(right, f"{times}; descriptors {'back' if back is not None else 'not back'}")


def drip_until_ended(dripping, seconds):
    """Takes clients of each kind out of `dripping` as they are hung up on; after how long the last of each kind was."""
    start, ended = time.monotonic(), {}
    while dripping and time.monotonic() - start < seconds:
        time.sleep(0.3)
        for client in [client for client in dripping if not drips(client, b"x")]:
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
