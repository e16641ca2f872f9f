"""Opens many connections to a server at once, each with a request for 100 bytes. Prints after how many milliseconds
the last of them had its first byte.

    burst.py PORT COUNT
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import first_bytes, request  # noqa: E402


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    times, clients = first_bytes(port, count, request("0-99"))
    for client in clients:
        client.close()
    if max(times) == float("inf"):
        sys.exit(f"{times.count(max(times))} of {count} connections got nothing within 10 s")
    print(f"{1000 * max(times):.1f}")


main()
