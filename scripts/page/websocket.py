"""A client of WebSocket (RFC 6455) that is just enough for WebDriver BiDi: text messages over a loopback connection."""

import base64
import os
import socket
import struct

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    def __init__(self, port, path, timeout_seconds):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self.received = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        head = [
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
        ]
        self.socket.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        status = self.received.readline()
        if b" 101 " not in status:
            raise ConnectionError(f"no WebSocket: {status!r}")
        while self.received.readline() not in (b"\r\n", b""):
            pass

    def send(self, text):
        self._send(TEXT, text.encode())

    def _send(self, kind, body):
        # A client's frames are masked.
        mask = os.urandom(4)
        length = len(body)
        if length < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, length)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))
        self.socket.sendall(head + mask + masked)

    def receive(self):
        """The next text message."""
        message = b""
        while True:
            first, second = self._read(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._read(8))
            body, kind = self._read(length), first & 0x0F
            if kind == CLOSE:
                raise ConnectionError("the browser closed the WebSocket")
            if kind == PING:
                self._send(PONG, body)
            elif kind != PONG:
                message += body
                if first & 0x80:
                    return message.decode()

    def _read(self, length):
        read = self.received.read(length)
        if len(read) < length:
            raise ConnectionError("the WebSocket ended")
        return read

    def close(self):
        self.received.close()
        self.socket.close()
