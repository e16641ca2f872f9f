"""The rows of what runs out (W4, W6, W9, W10, W11): descriptors, threads, and readers of stderr."""

import json
import os
import re
import shutil
import signal
import socket
import time

from bystander import Bystander, together
from client import curl_upload, has_ended, read_answer, read_status, request, upload, wait_until
from options import PROGRAM, SHORT
from server import Server

# Threads of the server and of tiny_http that nobody uses end after five seconds.
THREADS_END_SECONDS = 15


def w4_refused_uploads(file):
    """600 uploads announced and never sent, then honest ones by curl, under 256 descriptors: none of these is kept"""
    with Server(PROGRAM, file, descriptors=256) as server:
        answered(server)
        descriptors, threads, resident_kib = server.descriptors(), server.threads(), server.resident_kib()
        with Bystander(server, file) as others:
            unsent = announces_uploads(server, 600)
            honest = {} if "none" in unsent else curl_uploads(server, file, 5 if SHORT else 30)
        # Each body that is announced as larger than what is read away, and never comes, parks a thread for good.
        back = came_back(server, descriptors, threads + 300)
        parked = max(server.threads() - threads, 0)
        each_kib = (server.resident_kib() - resident_kib) / max(parked, 1)
        left = server.descriptors() - descriptors
    right = back and unsent <= {"ended", 400, 405, 408, 413} and honest and set(honest) <= {"curl 405", "curl 413"}
    return others.verdict(right, f"{left} descriptors more, {parked} threads parked, {each_kib:.0f} KiB each; {unsent}; {honest}")


def announces_uploads(server, count):
    """Announces so many bodies and sends none; the answers. Ends at the first that is not answered."""
    statuses = set()
    for n in range(count):
        with server.connect() as client:
            client.sendall(upload((200_000, 10**12)[n % 2]))
            # The end of what is sent: the server need not wait for its timeout.
            client.shutdown(socket.SHUT_WR)
            statuses.add(read_status(client))
        if "none" in statuses:
            break
    return statuses


def curl_uploads(server, file, rounds):
    """Uploads 200 kB and 3 MB in each round; how often each answer came."""
    seen = {}
    for size in (200_000, 3_000_000):
        path = f"{file}.{size}"
        with open(path, "wb") as body:
            body.write(os.urandom(size))
        for _ in range(rounds):
            said = curl_upload(server.port, os.path.basename(file), path=path)
            seen[said] = seen.get(said, 0) + 1
    return seen


def came_back(server, descriptors, threads):
    """Whether the server has no more of either than before, as soon as its idle threads have ended."""
    return wait_until(
        lambda: server.descriptors() <= descriptors and server.threads() <= threads, THREADS_END_SECONDS
    ) is not None


def w6_http_2(file):
    """1,200 request lines (or 700) of HTTP/2.0 and its preface, under 1,024 descriptors: hung up, descriptors back"""
    openings = (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    # Descriptors may come back only while they are short, so what is asked for is that some are free for others.
    with Server(PROGRAM, file, "--timeout", "2", descriptors=1024) as server:
        answered(server)
        before, threads, resident_kib = server.descriptors(), server.threads(), server.resident_kib()
        with Bystander(server, file, slowest_most_seconds=5) as others:
            waiting = []
            for n in range(700 if SHORT else 1200):
                client = server.connect()
                client.sendall(openings[n % 2])
                if n % 200 < 2:
                    waiting.append(client)
                else:
                    client.close()
            hung_up = wait_until(lambda: all(has_ended(client) for client in waiting), 10)
            others.sees(50)
        back = wait_until(lambda: server.descriptors() <= 1000, 30)
        time.sleep(6)
        parked = max(server.threads() - threads, 0)
        each_kib = (server.resident_kib() - resident_kib) / max(parked, 1)
        left = server.descriptors() - before
    shown = f"{parked} threads parked, {each_kib:.0f} KiB each; {left} descriptors more than before"
    shown += f"; hung up after {hung_up:.1f} s" if hung_up is not None else "; not hung up"
    return others.verdict(back is not None and hung_up is not None, shown)


def answered(server):
    """Whether a new client is answered within a second."""
    try:
        with server.connect() as client:
            client.settimeout(1)
            client.sendall(request("0-0", close=True))
            return read_answer(client)[0] == 206
    except OSError:
        return False


def w9_out_of_threads(file):
    """100 threads, 200 viewers, all leave: others are answered again within a second, and stderr has the trace alone"""
    program = f"{file}.heapserve"
    shutil.copy(PROGRAM, program)
    slowest = 0
    with Server(program, file, threads=100) as server:
        for _ in range(1 if SHORT else 3):
            viewers = [server.connect(receive_bytes=4096) for _ in range(200)]
            for viewer in viewers:
                viewer.sendall(request())
            # Long enough for every thread that there can be.
            wait_until(lambda: server.threads() >= 100, 2)
            time.sleep(0.5)
            most = server.threads()
            for viewer in viewers:
                viewer.close()
            back = wait_until(lambda: answered(server), 20)
            if back is None:
                return f"no answer within 20 s after {most} threads; stderr: {strange(server.lines)[:2]}"
            slowest = max(slowest, back)
            wait_until(lambda: server.threads() < 30, THREADS_END_SECONDS)
        with Bystander(server, file) as others:
            others.sees(20)
        odd = strange(server.lines)
    shown = f"{most} threads at most, back within {slowest:.2f} s; {len(odd)} other lines {odd[:2]}"
    return others.verdict(not odd and slowest <= (20 if SHORT else 1), shown)


def strange(lines):
    """The lines of stderr that are no object for the start or a request."""
    ours = ('{"event":"listening"', '{"event":"request"')
    return [line.strip() for line in list(lines) if not line.startswith(ours)]


def w10_out_of_descriptors(file):
    """64 descriptors, 200 clients, ten times, timeout 2, 0 and 0.1: right bytes, back in 2 s, then under 30 threads"""
    return together([out_of_descriptors(file, timeout) for timeout in ("2", "0", "0.1")])


def out_of_descriptors(file, timeout):
    slowest, rounds = 0, 10
    with Server(PROGRAM, file, "--timeout", timeout, descriptors=64) as server:
        for _ in range(rounds):
            wrong = floods(server, file)
            back = wait_until(lambda: answered(server), 10)
            if wrong or back is None:
                return f"timeout {timeout}: {wrong} wrong bodies" + ("" if back else ", no answer afterwards")
            slowest = max(slowest, back)
            wait_until(lambda: server.descriptors() < 20, 3)
        few = wait_until(lambda: server.threads() < 30, 10)
        threads, live_kib = server.threads(), server.figures()["live"] // 1024
        with Bystander(server, file) as others:
            others.sees(20)
    shown = f"timeout {timeout}: back within {slowest:.2f} s, then {threads} threads, {live_kib} KiB live"
    return others.verdict(few is not None and live_kib < 1024 and (SHORT or slowest < 2), shown)


def floods(server, file):
    """200 clients that ask for the file at once and leave; how many got wrong bytes."""
    with open(file, "rb") as opened:
        whole = opened.read()
    clients = [server.connect() for _ in range(200)]
    for client in clients:
        client.sendall(request(close=True))
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


def fill(writing):
    """Writes into the pipe until it takes nothing more."""
    # A description of its own: the server's must go on to wait.
    own = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(own, b"\n" * 4096)
    except BlockingIOError:
        pass
    finally:
        os.close(own)


def w11_nobody_drains_stderr(file):
    """stderr is a full pipe: all are answered, and SIGTERM ends it within about a second"""
    return together([undrained(file, trace) for trace in ("json", "text", "off")])


def undrained(file, trace):
    reading, writing = os.pipe()
    try:
        with Server(PROGRAM, file, trace=trace, stderr=writing) as server:
            fill(writing)
            with Bystander(server, file) as others:
                others.sees(300 if SHORT else 1500)
            took = server.ends_after(signal.SIGTERM, 10)
    finally:
        os.close(writing)
        os.close(reading)
    ended = "SIGTERM does not end it" if took is None else f"ended {took:.2f} s after SIGTERM"
    return others.verdict(took is not None and (SHORT or took < 1.5), f"{trace}: {ended}")


def w11_lines_without_room(file):
    """a pipe of stderr that is drained late: the trace has a line for each request, or counts it in a warning"""
    reading, writing = os.pipe()
    try:
        with Server(PROGRAM, file, stderr=writing) as server:
            with Bystander(server, file) as others:
                requests = pipelined(server, 30_000)
                others.sees(50)
            os.set_blocking(reading, False)
            lines = drained(reading)
            answered(server)
            lines += drained(reading)
            total = server.figures()["requests"]
    finally:
        os.close(writing)
        os.close(reading)
    events = [json.loads(line) for line in lines.splitlines()]
    told = sum(event["event"] == "request" for event in events)
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    counted = sum(int(re.search(r"\d+", message).group()) for message in warnings if re.search(r"\d", message))
    shown = f"{total} requests, {told} told, {counted} counted"
    return others.verdict(requests == 30_000 and told + counted == total and counted > 0, shown)


def pipelined(server, count):
    """So many requests on one connection, a few at a time; how many were answered."""
    done = 0
    with server.connect() as client:
        client.settimeout(10)
        try:
            client.sendall(request("0-0"))
            each = len(client.recv(4096))
            while done < count:
                client.sendall(request("0-0") * 50)
                left = 50 * each
                while left > 0:
                    piece = client.recv(left)
                    if not piece:
                        return done
                    left -= len(piece)
                done += 50
        except OSError:
            pass
    return done


def drained(reading):
    """What the pipe has, until nothing has come for a second."""
    text, last = b"", time.monotonic()
    while time.monotonic() - last < 1:
        try:
            text += os.read(reading, 1 << 20)
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.02)
    return text


ROWS = [
    (w4_refused_uploads, "small"),
    (w6_http_2, "small"),
    (w9_out_of_threads, "big"),
    (w10_out_of_descriptors, "small"),
    (w11_nobody_drains_stderr, "small"),
    (w11_lines_without_room, "small"),
]
