"""The bystander's own process: asks for one byte again and again, until its stdin ends.

    ask.py PORT BYTE
"""

import os
import sys
import time

from client import connect, read_answer, request

# An answer that takes longer counts as none.
PATIENCE_SECONDS = 10
# Between two asks: the server is to be watched, not loaded.
PAUSE_SECONDS = 0.005


def ask(client, byte):
    """Whether it was answered; False is a connection that ended before the answer began. Raises where it is wrong."""
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


def ask_in_turn(port, byte):
    """Prints one line for each ask: `answered SECONDS`, `hung-up`, or `wrong WHY`."""
    kept = None
    os.set_blocking(0, False)
    # A read gives None while the pipe is open, and b"" at its end.
    stdin = os.fdopen(0, "rb", buffering=0)
    turn = 0
    while stdin.read() is None:
        turn += 1
        start = time.monotonic()
        try:
            answered = False
            if turn % 2 and kept:
                # A server may close a connection between two requests (RFC 9112 9.3.1); a client then takes a new one.
                answered = ask(kept, byte)
                kept = kept if answered else None
            if not answered:
                client = connect(port)
                client.settimeout(PATIENCE_SECONDS)
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
    ask_in_turn(int(sys.argv[1]), bytes([int(sys.argv[2])]))
