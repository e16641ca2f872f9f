"""A client that speaks HTTP over a plain socket, so that it can also do what a proper client would not."""

import socket
from http.client import HTTPResponse, IncompleteRead, RemoteDisconnected

from waiting import PATIENCE_SECONDS

HOST = "127.0.0.1"


def connect(port, host=HOST, **how):
    """Opens a connection. See new_socket() for `how`."""
    client = new_socket(**how)
    client.connect((host, port))
    return client


def new_socket(receive_bytes=None, source=None):
    """A socket that is not connected.

    A small receive buffer (`receive_bytes`) keeps the kernel from reading ahead for a client that does not read.
    `source` is the client's own address and port, as bind(2) takes them, which other sockets of the client can share.
    """
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
    fields = f"Range: bytes={range_}\r\n" if range_ else ""
    fields += f"Cookie: a={cookie_bytes * 'c'}\r\n" if cookie_bytes else ""
    fields += "Connection: close\r\n" if close else ""
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()


def upload(length_bytes):
    """The head of a PUT that announces a body of this length."""
    return f"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length_bytes}\r\n\r\n".encode()


def read_answer(client, most_bytes=None):
    """Status and body, or its first bytes, of one answer. The status is None where the connection ends without one. No
    more answers may be under way."""
    with HTTPResponse(client) as answer:
        try:
            answer.begin()
            return answer.status, answer.read(most_bytes)
        except RemoteDisconnected:
            return None, b""
        except IncompleteRead as cut:
            return answer.status, cut.partial


def ask(port, sent, seconds=PATIENCE_SECONDS):
    """The answer, as read_answer() returns it, to one request on a connection of its own."""
    with connect(port) as client:
        client.settimeout(seconds)
        client.sendall(sent)
        return read_answer(client)


def status_of(client, sent=b"", until_end=False):
    """Sends that. Returns the status of the answer, "ended" where the connection ends without one, and "none" where
    nothing comes in time, or (`until_end`) not the end of the connection."""
    status = None
    try:
        client.sendall(sent)
        status = read_answer(client)[0]
        while until_end and client.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return "none"
    return status or "ended"


def is_answered(port, seconds=10):
    """Whether a new client is answered within so many seconds."""
    try:
        return ask(port, request("0-0", close=True), seconds)[0] == 206
    except OSError:
        return False


def reset(client):
    """Closes the connection with a reset (RST) instead of an orderly end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
