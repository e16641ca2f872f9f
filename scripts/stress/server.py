"""heapserve as a user starts it, and a client that speaks raw HTTP, for the stress rows."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.request

HOST = "127.0.0.1"


class Server:
    """The program on a free port, with its JSON trace in `lines`. Ends with its `with` block."""

    def __init__(self, program, file, *options, descriptors=None):
        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        command = [program, "--port", "0", "--trace", "json", *options, file]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit
        )
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        ready = self.process.stdout.readline()
        self.port = int(re.search(r":(\d+)/", ready).group(1))
        self.pid = self.process.pid

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(2):
            self.process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        self.process.wait(10)
        self.reader.join(5)

    def events(self):
        """The trace so far; raises where a line is no JSON object."""
        return [json.loads(line) for line in list(self.lines)]

    def requests(self):
        return [event for event in self.events() if event["event"] == "request"]

    def figures(self):
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/heap.json", timeout=10) as answer:
            return json.load(answer)

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        """Time on a CPU of the threads that there are, to the nanosecond; ticks of 10 ms would be too coarse."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat", encoding="ascii") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9

    def connect(self, receive_bytes=None):
        """A connection; with a small receive buffer it is one that reads slowly."""
        client = socket.socket()
        if receive_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(20)
        client.connect((HOST, self.port))
        return client


def request(range_=None, close=False):
    lines = ["GET / HTTP/1.1", "Host: localhost"]
    if range_:
        lines.append(f"Range: bytes={range_}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_answer(client):
    """Status and body of one answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return None, b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
    pieces = [body]
    left = length - len(body)
    while left > 0:
        piece = client.recv(min(left, 1 << 20))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return int(head.split()[1]), b"".join(pieces)


def reset(client):
    """Closes with a reset instead of a polite end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def wait_until(condition, seconds):
    """How long it took, or None."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.02)
    return None
