"""The rows of connections: told apart (W12, W15), ended in order (W16, W18), watched (W17), and not opened (W19)."""

import json
import os
import socket
import subprocess
import threading
import time

from bystander import Bystander, together
from client import HOST, connect, curl_upload, has_ended, read_answer, read_status, request, reset, upload, wait_until
from options import PROGRAM, SHORT
from server import Server

OTHER_HOST = "127.0.0.2"


def asks(client):
    """Whether the connection answers a request for one byte."""
    try:
        client.sendall(request("0-0"))
        return read_answer(client)[0] == 206
    except OSError:
        return False


def free_port():
    """A port that nobody has, for a client that chooses its own."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def w12_one_client_address(file):
    """one client address and port to two of the server's, a 413 on one: 20 strangers are answered, and the other ends"""
    rounds, unanswered = 20, 0
    with Server(PROGRAM, file, "--bind", "0.0.0.0") as server, Bystander(server, file) as others:
        for _ in range(rounds):
            source = (HOST, free_port())
            other = connect(server.port, OTHER_HOST, source=source)
            wrong = not asks(other)
            with connect(server.port, HOST, source=source) as refused:
                refused.sendall(upload(10**12))
                refused.shutdown(socket.SHUT_WR)
                wrong |= read_status(refused) not in (413, "ended")
            strangers = [server.connect() for _ in range(20)]
            for client in strangers:
                client.settimeout(5)
            other.settimeout(5)
            # Their first request gives them descriptors that a wrong close has freed; the second finds them closed.
            wrong |= not all([asks(client) for client in strangers])
            # A request does not tell by which of the two it came, so both may be hung up on; neither is left waiting.
            wrong |= not asks(other) and not has_ended(other)
            wrong |= not all([asks(client) for client in strangers])
            unanswered += wrong
            for client in [other, *strangers]:
                reset(client)
            if unanswered > 2:
                break
    return others.verdict(not unanswered, f"{unanswered} rounds with somebody unanswered")


def w15_port_used_again(file):
    """a client port that is used again at once after the server closed: a new connection, answered"""
    rounds = 50 if SHORT else 300
    refused = b"GET / HTTP/1.1\r\n\r\n"
    unanswered = 0
    with Server(PROGRAM, file) as server, Bystander(server, file) as others:
        for n in range(rounds):
            source = (HOST, free_port())
            with_close = request("0-0", close=True)
            first = connect(server.port, source=source)
            # A close that the client asked for, one that the server decides on, and one after a first answer.
            first.sendall((with_close, refused, request("0-0") + refused)[n % 3])
            read_status(first)
            # With a reset the client's side keeps nothing of the old connection.
            reset(first)
            again = connect(server.port, source=source)
            again.settimeout(5)
            unanswered += not asks(again)
            reset(again)
    return others.verdict(not unanswered, f"{unanswered} of {rounds} unanswered")


def w16_chunked_uploads(file):
    """chunked uploads of 3 MB, sent whole before the answer is read, and of 40 MB by curl: the refusal is read"""
    rounds = 10 if SHORT else 40
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    seen = {}
    with Server(PROGRAM, file) as server, Bystander(server, file) as others:
        for _ in range(rounds):
            with server.connect() as client:
                try:
                    client.sendall(head)
                    for _ in range(92):
                        client.sendall(chunk)
                    client.sendall(b"0\r\n\r\n")
                    said, _ = read_answer(client)
                except OSError:
                    # Most clients then give up. Linux would still let this one read what came before the reset.
                    said = "reset while sending"
            seen[said] = seen.get(said, 0) + 1
            with open(file, "rb") as body:
                said = curl_upload(server.port, os.path.basename(file), stdin=body)
            seen[said] = seen.get(said, 0) + 1
    right = all(said in (400, 405, 411, 413, "curl 405", "curl 413") for said in seen)
    return others.verdict(right, f"answers read: {seen}")


class EventReader:
    """Reads /heap/events from before its `with` block until its end; the messages are in `messages` after it."""

    def __init__(self, server):
        self.client = server.connect()
        self.client.sendall(b"GET /heap/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.data, self.messages = [self.client.recv(1 << 20)], []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while piece := self.client.recv(1 << 20):
                self.data.append(piece)
        except OSError:
            pass

    def __enter__(self):
        # The first sample: from here on every event is told.
        wait_until(lambda: b'"sample"' in b"".join(self.data), 10)
        return self

    def __exit__(self, *_):
        self.client.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.client.close()
        # The last message may have been cut.
        whole = b"".join(self.data).partition(b"\r\n\r\n")[2].split(b"\n\n")[:-1]
        self.messages = [json.loads(text[6:]) for text in whole if text.startswith(b"data: ")]


def w17_events_under_load(file):
    """a reader of /heap/events beside wrk: each event once, in order, or counted as missed; ten samples a second"""
    seconds = 3 if SHORT else 6
    command = ["wrk", "-t", "1", "-c", "16", "-d", str(seconds), "-H", "Range: bytes=0-99"]
    with Server(PROGRAM, file, trace="off") as server, EventReader(server) as reader:
        with Bystander(server, file) as others:
            subprocess.run([*command, f"http://localhost:{server.port}/"], stdout=subprocess.DEVNULL, check=True)
            others.sees(10)
        # Until the reader knows of all that happened.
        wait_until(lambda: server.figures()["in_flight"] == 0, 10)
        time.sleep(1)
        total = server.figures()["requests"]
    right, shown = judged(reader.messages, total, seconds)
    return others.verdict(right, shown)


def judged(messages, total, seconds):
    """Whether these messages tell of all `total` requests as they should, and what they came to."""
    of = lambda kind: [message for message in messages if message["event"] == kind]
    missed = sum(message["events"] for message in of("missed"))
    told = [(message["event"], message["request"]) for message in messages if "request" in message]
    place = {event: n for n, event in enumerate(told)}
    twice = len(told) - len(place)
    # A request ends after it has started.
    early = sum(place.get(("started", number), 0) > n for (kind, number), n in place.items() if kind == "request")
    # wrk's own time, without what came before and after it.
    at = [message["at_us"] / 1e6 for message in of("sample") if 0 < message["requests"] < total]
    rate = len(at) / (at[-1] - at[0]) if len(at) > 1 else 0
    gap = max((b - a for a, b in zip(at, at[1:])), default=seconds)
    lost = 2 * total - len(told) - missed
    shown = f"{total} requests, {len(told)} events told, {missed} missed, {lost} neither; {twice} told twice, "
    shown += f"{early} in the wrong order; {rate:.1f} samples/s, {1000 * gap:.0f} ms apart at most"
    return not (lost or twice or early) and rate >= (2 if SHORT else 9), shown


def w18_stalled_readers(file):
    """readers that stall after 5 MB, timeout 3, chunks of 64 KiB and 1 MiB, and buffer: let go within 4.5 s"""
    kinds = ["--chunk-size", "64K"], ["--chunk-size", "1M"], ["--mode", "buffer"]
    return together([stalled_reader(file, options) for options in kinds])


def stalled_reader(file, options):
    timeout = 3
    with Server(PROGRAM, file, "--timeout", str(timeout), *options) as server, Bystander(server, file) as others:
        with server.connect() as client:
            client.sendall(request())
            left = 5_000_000
            while left > 0:
                left -= len(client.recv(min(left, 65536)))
            whole = lambda: [event for event in server.requests() if event["status"] == 200]
            wait_until(whole, 10 * timeout)
        ended = whole()
    if not ended:
        return f"{options[1]}: not let go"
    # The 5 MB take some milliseconds of it.
    lasted, outcome = ended[0]["duration_us"] / 1e6, ended[0]["outcome"]
    in_time = lasted <= (2.5 * timeout if SHORT else 1.5 * timeout + 0.1)
    return others.verdict(in_time and outcome == "timed_out", f"{options[1]}: {outcome} after {lasted:.2f} s")


def w19_idle_opens_nothing(file):
    """an idle server opens no connection to itself, before its first client and after it"""
    seconds = 4 if SHORT else 10
    with Server(PROGRAM, file) as server:
        fresh = new_sockets(server.port, seconds)
        with Bystander(server, file) as others:
            others.sees(20)
        # What the bystander left behind does not count; a server may still see to its last connections.
        time.sleep(1)
        after = new_sockets(server.port, seconds)
    return others.verdict(not fresh and not after, f"{len(fresh)} before, {len(after)} after, in {seconds} s each")


def new_sockets(port, seconds):
    """The addresses of connections to or from this port that appear within so many seconds."""
    known, seen = sockets(port), set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen |= sockets(port) - known
        time.sleep(0.01)
    return seen


def sockets(port):
    """Both addresses of every TCP socket of this port, but the listening ones."""
    found, ours = set(), f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for line in lines:
                _, local, remote, state = line.split()[:4]
                if state != "0A" and ours in (local[-5:], remote[-5:]):
                    found.add((local, remote))
    return found


ROWS = [
    (w12_one_client_address, "small"),
    (w15_port_used_again, "small"),
    (w16_chunked_uploads, "big"),
    (w17_events_under_load, "small"),
    (w18_stalled_readers, "big"),
    (w19_idle_opens_nothing, "small"),
]
