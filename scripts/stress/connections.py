"""Rows of connections: told apart (W12, W15), ended in order (W16, W18), watched (W17), and not opened (W19)."""

import json
import os
import socket
import subprocess
import threading
import time

from bystander import Bystander
from client import HOST, connect, connect_socket, curl_upload, has_ended, new_socket, read_answer, read_status
from client import request, reset, upload
from options import PROGRAM, SHORT
from row import Idle
from server import Server
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady

OTHER_HOST = "127.0.0.2"
ANY_PORT = (HOST, 0)


def asks(client):
    """Whether the connection answers a request for one byte."""
    try:
        client.sendall(request("0-0"))
        return read_answer(client)[0] == 206
    except OSError:
        return False


def w12_one_client_address(row, file):
    """one client address and port to two of the server's, with a 413 on one: nobody waits for an answer"""
    rounds, failures = 20, {}
    with Server(PROGRAM, file, "--bind", "0.0.0.0") as server, Bystander(row, server, file):
        for _ in range(rounds):
            for failure in failures_of_one_address(server):
                failures[failure] = failures.get(failure, 0) + 1
            if sum(failures.values()) > 2:
                break
    for failure, times in failures.items():
        row.demand(False, f"{failure}: {times} times")
    row.show(f"{rounds} rounds")


def failures_of_one_address(server):
    """One round of w12. Returns what went wrong, in the order of time."""
    failures = []

    def expect(met, failure):
        if not met:
            failures.append(failure)

    other = connect(server.port, OTHER_HOST, source=ANY_PORT)
    expect(asks(other), "the other connection's first request was not answered")
    with connect(server.port, HOST, source=other.getsockname()) as refused:
        refused.sendall(upload(10**12))
        try:
            refused.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It was closed already.
        status = read_status(refused)
        expect(status in (413, "ended"), f"the refused upload got {status}")
    strangers = [server.connect() for _ in range(20)]
    # Their first request gives them descriptors that a wrong close has freed. Their second finds them closed.
    expect(all(asks(client) for client in strangers), "a stranger's first request was not answered")
    # A request does not tell to which of the two it belongs, so both may be hung up on. Neither may be left waiting.
    expect(asks(other) or has_ended(other), "the other connection is neither answered nor ended")
    expect(all(asks(client) for client in strangers), "a stranger's second request was not answered")
    for client in [other, *strangers]:
        reset(client)
    return failures


def w15_port_used_again(row, file):
    """a new connection from the port of one that the server has just closed: it is answered"""
    rounds = 50 if SHORT else 300
    refused = b"GET / HTTP/1.1\r\n\r\n"
    # A close that the client asked for, one that the server decides on, and one after a first answer.
    endings = (request("0-0", close=True), refused, request("0-0") + refused)
    unanswered = 0
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        with Bystander(row, server, file):
            for n in range(rounds):
                first = connect(server.port, source=ANY_PORT)
                # It holds the port from now on.
                again = new_socket(source=first.getsockname())
                first.sendall(endings[n % 3])
                read_status(first)
                # After a reset, the client's side keeps nothing of the old connection.
                reset(first)
                connect_socket(again, server.port)
                unanswered += not asks(again)
                reset(again)
        row.demand(not unanswered, f"{unanswered} of {rounds} were not answered")
        row.show(f"{rounds} rounds")
        row.demand_nothing_left(server, idle)


def w16_chunked_uploads(row, file):
    """chunked uploads of 3 MB, sent whole before the answer is read, and of 40 MB by curl: the refusal is read"""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    seen = {}
    with Server(PROGRAM, file) as server:
        idle = Idle(server)
        with Bystander(row, server, file):
            for _ in range(10 if SHORT else 40):
                with server.connect() as client:
                    try:
                        client.sendall(head + 92 * chunk + b"0\r\n\r\n")
                        said, _ = read_answer(client)
                    except OSError:
                        # Most clients then give up, though Linux would let them read what came before the reset.
                        said = "reset while sending"
                seen[said] = seen.get(said, 0) + 1
                with open(file, "rb") as body:
                    said = curl_upload(server.port, os.path.basename(file), stdin=body)
                seen[said] = seen.get(said, 0) + 1
        row.show(f"answers read: {seen}")
        row.demand(set(seen) <= {400, 405, 411, 413, "curl 405", "curl 413"}, "a refusal was not read")
        row.demand_nothing_left(server, idle)


class EventReader:
    """Reads /heap/events from before its `with` block until its end. Its messages are in `messages` after that."""

    def __init__(self, server):
        self.client = server.connect()
        self.client.sendall(request(target="/heap/events"))
        self.data, self.messages = [], []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while piece := self.client.recv(1 << 20):
                self.data.append(piece)
        except OSError:
            pass

    def __enter__(self):
        # From the first sample on, every event is told.
        wait_until(lambda: b'"sample"' in b"".join(self.data))
        return self

    def __exit__(self, *_):
        self.client.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.client.close()
        self.messages = self.so_far()

    def so_far(self):
        """The messages that have come. The last one may be cut, and is left out."""
        whole = b"".join(self.data).partition(b"\r\n\r\n")[2].split(b"\n\n")[:-1]
        return [json.loads(text[6:]) for text in whole if text.startswith(b"data: ")]


def w17_events_under_load(row, file):
    """a reader of /heap/events beside wrk: it is told of each event once and in order, or that it missed it"""
    seconds = 3 if SHORT else 6
    command = ["wrk", "-t", "1", "-c", "16", "-d", str(seconds), "--timeout", str(PATIENCE_SECONDS)]
    with Server(PROGRAM, file, trace="off") as server:
        with EventReader(server) as reader:
            with Bystander(row, server, file) as others:
                command += ["-H", "Range: bytes=0-99", server.url]
                said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
                others.sees(10)
            row.demand("Non-2xx" not in said and "Socket errors" not in said, f"wrk says {said.split(chr(10))}")
            wait_until(lambda: server.figures()["in_flight"] == 0)
            total = server.figures()["requests"]
            wait_until(lambda: sum(told_and_missed(reader.so_far())) >= 2 * total)
    judge_events(row, reader.messages, total, seconds)


def told_and_missed(messages):
    """How many starts and ends of requests these messages tell, and how many they say were missed."""
    missed = sum(message["events"] for message in messages if message["event"] == "missed")
    return sum("request" in message for message in messages), missed


def judge_events(row, messages, total, seconds):
    """Demands that these messages tell of all `total` requests as they should."""
    told, missed = told_and_missed(messages)
    order = [(message["event"], message["request"]) for message in messages if "request" in message]
    place = {event: n for n, event in enumerate(order)}
    # A request ends after it has started.
    early = sum(place.get(("started", number), 0) > n for (kind, number), n in place.items() if kind == "request")
    row.show(f"{total} requests, {told} events told, {missed} missed")
    row.demand(told + missed == 2 * total, f"{2 * total - told - missed} events are neither told nor missed")
    row.demand(len(place) == told, f"{told - len(place)} are told twice")
    row.demand(not early, f"{early} are in the wrong order")
    # The samples of wrk's own time.
    samples = [message for message in messages if message["event"] == "sample" and 0 < message["requests"] < total]
    at = [message["at_us"] / 1e6 for message in samples]
    rate = (len(at) - 1) / (at[-1] - at[0]) if len(at) > 1 else 0
    gap_ms = 1000 * max((later - earlier for earlier, later in zip(at, at[1:])), default=seconds)
    row.show(f"{rate:.1f} samples/s, {gap_ms:.0f} ms apart at most")
    row.demand_in_full(rate >= 9, f"{rate:.1f} samples/s, less than 9")


def w18_stalled_readers(row, file):
    """readers that stall after 5 MB, timeout 3 (or 1), with chunks of 64 KiB and of 1 MiB, and in buffer mode"""
    for options in (["--chunk-size", "64K"], ["--chunk-size", "1M"], ["--mode", "buffer"]):
        row.part(options[1])
        stalled_reader(row, file, options)


def stalled_reader(row, file, options):
    timeout_seconds = 1 if SHORT else 3
    with Server(PROGRAM, file, "--timeout", str(timeout_seconds), *options) as server:
        idle = Idle(server)
        with Bystander(row, server, file, hung_up_most=1), server.connect() as client:
            client.sendall(request())
            left = 5_000_000
            while left > 0 and (piece := client.recv(min(left, 65536))):
                left -= len(piece)
            ended = lambda: [event for event in server.requests() if event["status"] == 200]
            wait_until(ended)
            row.demand(ended(), "the server still waits for it")
        row.demand_nothing_left(server, idle)
        for event in ended():
            row.demand(event["outcome"] == "timed_out", f"it ended as {event['outcome']}")
            # The 5 MB take some milliseconds of it.
            row.demand_at_most(event["duration_us"] / 1e6, 1.5 * timeout_seconds + 0.1, "s", "given up after")


def w19_idle_opens_nothing(row, file):
    """an idle server opens no connection to itself, before its first client and after it"""
    seconds = 4 if SHORT else 10
    with Server(PROGRAM, file) as server:
        opened = new_sockets(server.port, seconds)
        row.demand(not opened, f"{len(opened)} sockets appeared before the first client")
        with Bystander(row, server, file) as others:
            others.sees(20)
        # As long as threads of the last connections end, the server may still have to do with these.
        wait_until_steady(server.threads, 5.5)
        opened = new_sockets(server.port, seconds)
        row.demand(not opened, f"{len(opened)} sockets appeared after the last client")


def new_sockets(port, seconds):
    """The addresses of connections to or from this port that appear within so many seconds."""
    known, seen = sockets(port), set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen |= sockets(port) - known
        time.sleep(0.01)
    return seen


def sockets(port):
    """Both addresses of each TCP socket of this port, without the listening ones."""
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
