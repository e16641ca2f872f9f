"""Holds many viewers of a server, each of which reads slowly, and prints how many KiB of memory (PSS) each costs.

    viewers.py PORT PATH COUNT SETTLE_SECONDS PID...
"""

import socket
import sys
import time

from process import pss_kib


def connect(port, path):
    viewer = socket.socket()
    # Before `connect`, so that the window is small from the start: the answer cannot fit in the kernel's buffers.
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    viewer.settimeout(20)
    viewer.connect(("127.0.0.1", port))
    viewer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return viewer


def status(viewer):
    head = b""
    while len(head) < len("HTTP/1.1 200"):
        piece = viewer.recv(100)
        if not piece:
            return "the end of the connection"
        head += piece
    return head.split()[1].decode()


def main():
    port, path, count, settle_seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    pids = [int(pid) for pid in sys.argv[5:]]
    before_kib = pss_kib(pids)
    viewers = [connect(port, path) for _ in range(count)]
    for viewer in viewers:
        got = status(viewer)
        if got != "200":
            sys.exit(f"a viewer got {got} instead of status 200")
    # heapserve's threads that only helped to accept the connections end after five idle seconds.
    time.sleep(settle_seconds)
    print(f"{(pss_kib(pids) - before_kib) / count:.1f}")


main()
