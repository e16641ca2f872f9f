"""The process of a bystander: asks for ranges of the file again and again, until its stdin ends.

    ask.py PORT FILE PATIENCE_SECONDS PAUSE_SECONDS SOURCE KIND

SOURCE is its own address. It asks by turns on a new connection and on one that is kept; KIND `kept` on that only. With
KIND `limited` a 503 is right too. Each byte is compared. Prints one line for each ask: `answered SECONDS`, `closed`
where the connection ended before the answer began, or `wrong WHY`.
"""

import os
import random
import sys
import time

from client import connect, read_answer, request

LONGEST_RANGE_BYTES = 2000


def ask(client, whole, is_limited):
    """Whether it was answered. False means that the connection ended before. Raises where the answer is wrong."""
    first = random.randrange(len(whole))
    right = whole[first : first + random.randint(1, LONGEST_RANGE_BYTES)]
    try:
        client.sendall(request(f"{first}-{first + len(right) - 1}"))
        status, body = read_answer(client)
    except (BrokenPipeError, ConnectionResetError):
        return False
    if status is None:
        return False
    if (status, body) != (206, right) and not (is_limited and status == 503):
        raise ValueError(f"status {status}, {len(body)} bytes for {len(right)}: {body[:20]}")
    return True


def ask_in_turn(port, whole, patience_seconds, pause_seconds, source, kind):
    kept, turn = None, 0
    os.set_blocking(0, False)
    # read() returns None while the pipe is open, and b"" at its end.
    stdin = os.fdopen(0, "rb", buffering=0)
    while stdin.read() is None:
        turn += 1
        keep = kind == "kept" or turn % 2
        start = time.monotonic()
        try:
            client = kept if keep else None
            if not client:
                client = connect(port, source=(source, 0))
                client.settimeout(patience_seconds)
            answered = ask(client, whole, kind == "limited")
            kept = (client if answered else None) if keep else kept
            if client is not kept:
                client.close()
            print(f"answered {time.monotonic() - start:.6f}" if answered else "closed", flush=True)
        except (OSError, ValueError) as error:
            kept = None if keep else kept
            shown = "no answer" if isinstance(error, TimeoutError) else repr(error)
            print(f"wrong {time.monotonic() - start:.1f} s: {shown}", flush=True)
        time.sleep(pause_seconds)


if __name__ == "__main__":
    try:
        port, path, patience, pause, source, kind = sys.argv[1:]
        with open(path, "rb") as file:
            ask_in_turn(int(port), file.read(), float(patience), float(pause), source, kind)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(1)
