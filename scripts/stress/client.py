"""A client that speaks raw HTTP over a socket. Used by the stress rows and by scripts/bench."""

import os
import re
import selectors
import socket
import subprocess
import time

HOST = "127.0.0.1"


def connect(port, host=HOST, receive_bytes=None, source=None):
    """A connection. A small receive buffer makes its reader slow; `source` is the client's own (address, port)."""
    client = socket.socket()
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.settimeout(20)
    if source:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(source)
    client.connect((host, port))
    return client


def request(range_=None, close=False):
    """The head of a GET of the file, or of a range of it such as "0-99"."""
    lines = ["GET / HTTP/1.1", "Host: localhost"]
    if range_:
        lines.append(f"Range: bytes={range_}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def upload(length_bytes):
    """The head of a PUT that announces a body of this length."""
    return f"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length_bytes}\r\n\r\n".encode()


def read_answer(client):
    """Status and body of one answer; (None, b"") where the connection ends before the head does."""
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


def read_status(client):
    """Reads to the end of the connection; the status of the first answer, "ended" without one, "none" if it stays."""
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except ConnectionError:
        pass
    except TimeoutError:
        return "none"
    return int(data.split()[1]) if data.startswith(b"HTTP/1.") else "ended"


def curl_upload(port, name, stdin=None, path="-"):
    """The status that `curl -T` reads for an upload to that name, or how it failed.

    Uploads the file at `path`; "-" stands for `stdin`, whose length curl cannot announce, so that it sends chunks.
    """
    command = ["curl", "--silent", "--max-time", "20", "--upload-file", path, "--output", os.devnull]
    command += ["--header", "Expect:"] if path == "-" else []
    command += ["--write-out", "%{http_code}", f"http://localhost:{port}/{name}"]
    done = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, text=True, check=False)
    return f"curl {done.stdout}" if done.returncode == 0 else f"curl exit {done.returncode} after {done.stdout}"


def reset(client):
    """Closes with a reset instead of an orderly end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def first_bytes(port, clients, wanted):
    """Opens so many connections in the same instant; when each had its first byte, in seconds."""
    select, start, times, opened = selectors.DefaultSelector(), time.monotonic(), [], []
    for _ in range(clients):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((HOST, port))
        select.register(client, selectors.EVENT_WRITE)
        opened.append(client)
    while len(times) < clients and time.monotonic() - start < 10:
        for key, event in select.select(0.5):
            if event & selectors.EVENT_WRITE:
                key.fileobj.send(wanted)
                select.modify(key.fileobj, selectors.EVENT_READ)
            else:
                key.fileobj.recv(1)
                times.append(time.monotonic() - start)
                select.unregister(key.fileobj)
    return times + [float("inf")] * (clients - len(times)), opened


def wait_until(condition, seconds):
    """How long it took, or None."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.02)
    return None


def has_ended(client):
    """Whether the server has closed this connection."""
    client.settimeout(0.01)
    try:
        return client.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
