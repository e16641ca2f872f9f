"""A client that takes no part in an attack on the server, and must be answered all the same.

Its process asks for ranges of the file, by turns on a new connection and on one that is kept, or on that only. It
compares each byte, and prints a line for each ask: `answered SECONDS`; `closed` if the connection ended before the
answer began, or with a 503; or `wrong WHY`.
"""

import random
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path

from client import HOST, connect
from program import Running
from waiting import wait_until

# After this an answer counts as missing.
ANSWER_SECONDS = 30


class Bystander(Running):
    """Asks again and again, in a process of its own: in that of the attack it would have to wait for it. Has an address
    of its own, by its `number`. `answered` has the seconds that each answer took; `closed` and `wrong` have what else
    its process said."""

    def __init__(self, port, file, number, pause_seconds, is_kept):
        self.answered, self.wrong, self.closed = [], [], []
        how = [port, file, f"127.0.0.{3 + number}", pause_seconds, "kept" if is_kept else "by turns"]
        super().__init__(sys.executable, "-B", __file__, *map(str, how), stdout=subprocess.PIPE, text=True)
        self.follow(self.process.stdout, self._note)

    def _note(self, line):
        kind, _, rest = line.strip().partition(" ")
        getattr(self, kind).append(float(rest) if kind == "answered" else rest)

    def sees(self, count):
        """Waits for so many more answers. Raises where they do not come, or something wrong comes between them."""
        end, wrong = len(self.answered) + count, len(self.wrong)
        wait_until(lambda: len(self.answered) >= end or len(self.wrong) > wrong)
        if len(self.answered) < end:
            raise RuntimeError(f"a bystander waits for an answer; what it got: {self.wrong[:2]}")


def ask_in_turn(port, file, source, pause_seconds, kind):
    whole, kept, new = Path(file).read_bytes(), HTTPConnection(HOST), HTTPConnection(HOST)
    for client in cycle([kept] if kind == "kept" else [kept, new]):
        first = random.randrange(len(whole))
        right = whole[first : first + random.randint(1, 2000)]
        start = time.monotonic()
        try:
            client.sock = client.sock or connect(int(port), source=(source, 0))
            client.sock.settimeout(ANSWER_SECONDS)
            client.request("GET", "/", headers={"Range": f"bytes={first}-{first + len(right) - 1}"})
            with client.getresponse() as answer:
                status, body = answer.status, answer.read()
            seconds = time.monotonic() - start
            good = (status, body) == (206, right)
            wrong = f"wrong status {status}, {len(body)} bytes for {len(right)}: {body[:20]}"
            print("closed" if status == 503 else f"answered {seconds:.6f}" if good else wrong, flush=True)
        except (BrokenPipeError, ConnectionResetError):
            client.close()
            print("closed", flush=True)
        except (OSError, HTTPException) as error:
            client.close()
            print(f"wrong after {time.monotonic() - start:.1f} s: {error!r}", flush=True)
        new.close()
        time.sleep(float(pause_seconds))


if __name__ == "__main__":
    ask_in_turn(*sys.argv[1:])
