"""Rows of readers of stderr (W11): nobody reads it, or somebody who comes late."""

import json
import os
import re
import signal

from bystander import Bystander
from client import is_answered, request
from options import PROGRAM, SHORT
from server import Server
from waiting import wait_until, wait_until_steady


def fill(writing):
    """Writes into the pipe until it takes no more."""
    # Opened anew: the flag must not be set for the server, whose writes have to block.
    own = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(own, b"\n" * 4096)
    except BlockingIOError:
        pass
    finally:
        os.close(own)


def w11_nobody_drains_stderr(row, file):
    """stderr is a full pipe that nobody reads; SIGTERM at the end"""
    for trace in ("json", "text", "off"):
        row.part(trace)
        reading, writing = os.pipe()
        try:
            with Server(PROGRAM, file, trace=trace, stderr=writing) as server:
                fill(writing)
                with Bystander(row, server, file) as others:
                    others.sees(300 if SHORT else 1500)
                took_seconds = server.ends_after(signal.SIGTERM)
                row.demand(took_seconds is not None, "SIGTERM does not end it")
                if took_seconds is not None:
                    row.demand_at_most(took_seconds, 1.5, "s", "SIGTERM ended it after")
        finally:
            os.close(writing)
            os.close(reading)


def w11_lines_without_room(row, file):
    """stderr is read late: each of 30,000 requests has a line, or is counted in a warning"""
    reading, writing = os.pipe()
    try:
        with Server(PROGRAM, file, stderr=writing) as server:
            with Bystander(row, server, file) as others:
                answered = pipelined(server, 30_000)
                others.sees(50)
            os.set_blocking(reading, False)
            trace = Drain(reading)
            # The lines that waited are out before the warning, and that comes with the next request.
            wait_until_steady(trace.length_bytes, 1)
            wait_until(lambda: is_answered(server.port))
            total = server.figures()["requests"]
            wait_until(lambda: sum(trace.told_and_counted()) >= total)
            told, counted = trace.told_and_counted()
    finally:
        os.close(writing)
        os.close(reading)
    row.show(f"{total} requests, {told} have a line, {counted} are counted")
    row.demand(answered == 30_000, f"only {answered} requests were answered")
    row.demand(told + counted == total, "lines are missing, or told twice")
    row.demand(counted > 0, "nothing was counted, so nothing was tried")


class Drain:
    """Reads the trace from a pipe, as far as it is there."""

    def __init__(self, reading):
        self.reading, self.text = reading, b""

    def length_bytes(self):
        try:
            while piece := os.read(self.reading, 1 << 20):
                self.text += piece
        except BlockingIOError:
            pass
        return len(self.text)

    def told_and_counted(self):
        """How many requests have a line of their own, and how many the warnings count."""
        self.length_bytes()
        events = [json.loads(line) for line in self.text.splitlines(keepends=True) if line.endswith(b"\n")]
        warnings = [event["message"] for event in events if event["event"] == "warning"]
        numbers = [int(found[0]) for message in warnings if (found := re.search(r"\d+", message))]
        return sum(event["event"] == "request" for event in events), sum(numbers)


def pipelined(server, count):
    """Sends so many requests on one connection, 50 at a time. Returns how many were answered."""
    done = 0
    with server.connect() as client:
        try:
            client.sendall(request("0-0"))
            each_bytes = len(client.recv(4096))
            while done < count:
                client.sendall(request("0-0") * 50)
                left = 50 * each_bytes
                while left > 0:
                    piece = client.recv(left)
                    if not piece:
                        return done
                    left -= len(piece)
                done += 50
        except OSError:
            pass
    return done


ROWS = [
    (w11_nobody_drains_stderr, "small"),
    (w11_lines_without_room, "small"),
]
