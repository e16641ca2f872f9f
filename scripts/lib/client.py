"""A client that speaks HTTP over a plain socket, so that it can also do what a proper client would not."""

import re
import selectors
import socket
import time

from waiting import PATIENCE_SECONDS

HOST = "127.0.0.1"


def connect(port, host=HOST, receive_bytes=None, source=None):
    """Opens a connection.

    A small receive buffer (`receive_bytes`) keeps the kernel from reading ahead for a client that does not read.
    `source` is the client's own address and port, as bind(2) takes them.
    """
    client = new_socket(receive_bytes, source)
    try:
        client.connect((host, port))
    except BaseException:
        client.close()
        raise
    return client


def new_socket(receive_bytes=None, source=None):
    """A socket that is not connected. One with a `source` holds its port, but lets others of the client share it."""
    client = socket.socket()
    client.settimeout(PATIENCE_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    if source:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(source)
    return client


def request(range_=None, close=False, target="/", cookie_bytes=0):
    """The head of a GET: of the file, or of a range of it such as "0-99"."""
    lines = [f"GET {target} HTTP/1.1", "Host: localhost"]
    if range_:
        lines.append(f"Range: bytes={range_}")
    if cookie_bytes:
        lines.append("Cookie: a=" + cookie_bytes * "c")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def upload(length_bytes):
    """The head of a PUT that announces a body of this length."""
    return f"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length_bytes}\r\n\r\n".encode()


def read_answer(client):
    """Status and body of one answer. The status is None where the connection ends before the head is complete.

    Without a Content-Length the body reaches to the end of the connection (RFC 9112 6.3).
    """
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return None, b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    if length:
        left = int(length[1]) - len(body)
    else:
        left = 0 if status < 200 or status in (204, 304) else float("inf")
    pieces = [body]
    while left > 0:
        piece = client.recv(int(min(left, 1 << 20)))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return status, b"".join(pieces)


def read_status(client):
    """Reads to the end of the connection. Returns the status of the first answer, "ended" where there was none, and
    "none" where the connection did not end."""
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except ConnectionError:
        pass
    except TimeoutError:
        return "none"
    return int(data.split()[1]) if data.startswith(b"HTTP/1.") else "ended"


def status_of(client, sent=b""):
    """Sends that. Returns the status of the answer, "ended" where the connection ends without one, and "none" where
    nothing comes in time."""
    try:
        client.sendall(sent)
        return read_answer(client)[0] or "ended"
    except ConnectionError:
        return "ended"
    except TimeoutError:
        return "none"


def is_answered(port, seconds=10):
    """Whether a new client is answered within so many seconds."""
    try:
        with connect(port) as client:
            client.settimeout(seconds)
            return status_of(client, request("0-0", close=True)) == 206
    except OSError:
        return False


def has_ended(client):
    """Whether the server has closed this connection. Reads what has come."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def reset(client):
    """Closes the connection with a reset (RST) instead of an orderly end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def first_bytes(port, clients, wanted, patience_seconds=10, receive_bytes=None):
    """Opens `clients` connections at the same instant and sends `wanted` on each. `receive_bytes` is as for connect().

    Returns after how many seconds each had its first byte (infinity: never), and the connections.
    """
    opened = [new_socket(receive_bytes) for _ in range(clients)]
    start, times = time.monotonic(), []
    with selectors.DefaultSelector() as select:
        for client in opened:
            client.setblocking(False)
            client.connect_ex((HOST, port))
            select.register(client, selectors.EVENT_WRITE)
        while select.get_map() and time.monotonic() - start < patience_seconds:
            for key, event in select.select(0.5):
                client = key.fileobj
                try:
                    if event & selectors.EVENT_WRITE:
                        client.send(wanted)
                        select.modify(client, selectors.EVENT_READ)
                        continue
                    if client.recv(1):
                        times.append(time.monotonic() - start)
                except OSError:
                    pass  # It counts as one that was not answered.
                select.unregister(client)
    return times + [float("inf")] * (clients - len(times)), opened
