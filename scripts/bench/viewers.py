"""Holds so many viewers of a server, each reading slowly, and prints what each costs it in KiB of RSS.

    viewers.py PORT COUNT PID...
"""

import socket
import sys
import time


def resident_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return total


def main():
    port, count, pids = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    before = resident_kib(pids)
    viewers = []
    for _ in range(count):
        viewer = socket.socket()
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        viewer.settimeout(20)
        viewer.connect(("127.0.0.1", port))
        viewer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        viewers.append(viewer)
    for viewer in viewers:
        if not viewer.recv(100):
            sys.exit("a viewer got nothing")
    # Threads that only helped to start others end after five seconds.
    time.sleep(7)
    print(f"{(resident_kib(pids) - before) / count:.1f}")


main()
