"""The process of a bystander: asks for one byte of the file again and again, until its stdin ends.

    ask.py PORT BYTE PATIENCE_SECONDS

Prints one line for each ask: `answered SECONDS`, `hung-up` or `wrong WHY`.
"""

import os
import sys
import time

from client import connect, read_answer, request

# Between two asks. The bystander watches the server, and must not be load itself.
PAUSE_SECONDS = 0.005


def ask(client, byte):
    """Whether it was answered. False means that the connection ended before the answer began. Raises where the answer
    is wrong."""
    try:
        client.sendall(request("0-0"))
        status, body = read_answer(client)
    except (BrokenPipeError, ConnectionResetError):
        return False
    if status is None:
        return False
    if (status, body) != (206, byte):
        raise ValueError(f"status {status}, body {body[:20]}")
    return True


def ask_in_turn(port, byte, patience_seconds):
    """Asks by turns on a new connection and on one that is kept alive."""
    kept = None
    os.set_blocking(0, False)
    # read() returns None while the pipe is open, and b"" at its end.
    stdin = os.fdopen(0, "rb", buffering=0)
    turn = 0
    while stdin.read() is None:
        turn += 1
        start = time.monotonic()
        try:
            answered = False
            if turn % 2 and kept:
                # A server may close a connection between two requests (RFC 9112 9.3.1). A client then opens another.
                answered = ask(kept, byte)
                kept = kept if answered else None
            if not answered:
                client = connect(port)
                client.settimeout(patience_seconds)
                answered = ask(client, byte)
                if answered and not kept:
                    kept = client
                else:
                    client.close()
            print(f"answered {time.monotonic() - start:.6f}" if answered else "hung-up", flush=True)
        except (OSError, ValueError) as error:
            kept = None
            shown = "no answer" if isinstance(error, TimeoutError) else repr(error)
            print(f"wrong {time.monotonic() - start:.1f} s: {shown}", flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    try:
        ask_in_turn(int(sys.argv[1]), bytes([int(sys.argv[2])]), float(sys.argv[3]))
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(1)
