"""A client that takes no part in an attack on the server, and must be answered all the same.

Its process asks for ranges of the file, by turns on a new connection and on one that is kept; KIND `kept` on that
only. SOURCE is its own address. It pauses, so that it is no load itself. Each byte is compared. It prints a line for
each ask: `answered SECONDS`; `closed` if the connection ended before the answer began, or with a 503; or `wrong WHY`.
"""

import random
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path

from client import HOST, connect, read_answer, request
from program import Running
from waiting import wait_until

# After this an answer counts as missing.
ANSWER_SECONDS = 30


class Bystander(Running):
    """Asks again and again, in a process of its own: in that of the attack it would have to wait for it. `answers` has
    the seconds that each took; `closed` and `wrong` have what else its process said."""

    def __init__(self, scene, pause_seconds=0.005, source=HOST, kind="usual"):
        self.answers, self.wrong, self.closed = [], [], []
        command = [sys.executable, "-B", __file__, str(scene.server.port), scene.file, str(pause_seconds), source, kind]
        super().__init__(*command, stdout=subprocess.PIPE, text=True)
        self.follow(self.process.stdout, self._note)

    def _note(self, line):
        kind, _, rest = line.strip().partition(" ")
        {"answered": self.answers, "closed": self.closed, "wrong": self.wrong}[kind].append(rest)

    def sees(self, count):
        """Waits for so many more answers. Returns whether they came, with nothing wrong between them."""
        end, wrong = len(self.answers) + count, len(self.wrong)
        wait_until(lambda: len(self.answers) >= end or len(self.wrong) > wrong)
        return len(self.answers) >= end

    def slowest_seconds(self):
        return max(map(float, self.answers), default=float("inf"))


def ask_in_turn(port, whole, pause_seconds, source, kind):
    kept, turn = None, 0
    while True:
        turn += 1
        keep = kind == "kept" or turn % 2
        first = random.randrange(len(whole))
        right = whole[first : first + random.randint(1, 2000)]
        start, client, status = time.monotonic(), keep and kept, None
        try:
            client = client or connect(port, source=(source, 0))
            client.settimeout(ANSWER_SECONDS)
            client.sendall(request(f"{first}-{first + len(right) - 1}"))
            status, body = read_answer(client)
            seconds = time.monotonic() - start
            good = (status, body) == (206, right)
            wrong = f"wrong status {status}, {len(body)} bytes for {len(right)}: {body[:20]}"
            print("closed" if status in (None, 503) else f"answered {seconds:.6f}" if good else wrong, flush=True)
        except (BrokenPipeError, ConnectionResetError):
            print("closed", flush=True)
        except (OSError, HTTPException) as error:
            print(f"wrong after {time.monotonic() - start:.1f} s: {error!r}", flush=True)
        if keep:
            kept = client if status else None
        if client and client is not kept:
            client.close()
        time.sleep(pause_seconds)


if __name__ == "__main__":
    # PORT FILE PAUSE_SECONDS SOURCE KIND
    ask_in_turn(int(sys.argv[1]), Path(sys.argv[2]).read_bytes(), float(sys.argv[3]), *sys.argv[4:])
