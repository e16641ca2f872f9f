"""Bodies that are not sent, refused or late (W4). Connections that are told apart (W12, W15), watched (W17), and nobody
else's."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, suppress

from bystander import Bystander
from client import HOST, ask, connect, new_socket, request, reset, status_of, upload
from crowd import held, sends
from floods import BAD
from scene import SHORT
from waiting import PATIENCE_SECONDS

CURL = ("curl", "-q", "--silent", "--max-time", str(PATIENCE_SECONDS))
OTHER_HOST = "127.0.0.2"
ANY_PORT = (HOST, 0)


def unsent(scene, count, lengths_bytes=(9_000_000, 4 * 10**9), at_once=100):
    """Bodies are announced and never sent. Half of the clients reset their connections, half close in order. Then an
    honest viewer gets the whole file, also where the heap has little room for others."""
    for n in range(count // at_once):
        with held(scene, at_once, upload(lengths_bytes[n % 2])) as clients:
            scene.serves(f"after {(n + 1) * at_once} of them")
            for client in clients[::2]:
                reset(client)
        if scene.wrong:
            break
    scene.show(f"{(n + 1) * at_once} announced, {scene.server.threads() - scene.idle_threads} more threads then")
    scene.demand(ask(scene.server.port, request()) == (200, scene.whole), "a viewer does not get the file any more")


def by_curl(scene, rounds, lengths_bytes=(200_000, 3_000_000, 40_000_000)):
    """curl uploads so many bytes, with their length, and in chunks."""
    said, path = Counter(), f"{scene.file}.upload"
    command = [*CURL, f"{scene.server.url}file", "-o", os.devnull, "--write-out", "%{http_code}", "--upload-file", path]
    for length_bytes in rounds * lengths_bytes:
        with open(path, "wb") as body:
            body.truncate(length_bytes)
        for how in (), ("--header", "Transfer-Encoding: chunked", "--header", "Expect:"):
            ran = subprocess.run([*command, *how], stdout=subprocess.PIPE, text=True, check=False)
            said[f"{ran.stdout}, exit code {ran.returncode}"] += 1
    scene.demand(set(said) <= {"405, exit code 0", "413, exit code 0"}, f"curl got {dict(said)}")


def sent_whole(scene, count, lengths_bytes):
    """Bodies that are sent whole, whatever the server says meanwhile. Then the refusal must be there to be read."""
    for n in range(count):
        length_bytes = lengths_bytes[n % len(lengths_bytes)]
        with scene.server.connect() as client:
            # Most clients give up where this fails, though Linux lets them read what came before the reset.
            was_sent = sends(client, upload(length_bytes) + bytes(length_bytes))
            said = status_of(client)
        # The server reads on for a second, which is too short for a client on a machine that stands still.
        is_late = SHORT and not was_sent and said == "ended"
        scene.demand(is_late or said == 413, f"number {n} read {said}; all was sent: {was_sent}")


def stopped_server(scene, count, stopped_seconds):
    body, parts, seen = 200_000, [], Counter()
    for whole, right in count * ((upload(body) + bytes(body), 405), (request("0-0"), 206)):
        client = scene.server.connect()
        client.sendall(whole[: len(whole) // 2])
        parts.append((client, whole[len(whole) // 2 :], right))
    time.sleep(0.5)
    os.kill(scene.server.pid, signal.SIGSTOP)
    for client, rest, _ in parts:
        client.sendall(rest)
    time.sleep(stopped_seconds)
    os.kill(scene.server.pid, signal.SIGCONT)
    for client, _, right in parts:
        with client:
            seen[f"{status_of(client)} for {right}"] += 1
    scene.show(f"answers: {dict(seen)}")
    scene.demand(set(seen) == {"405 for 405", "206 for 206"}, "what came while it was stopped was not answered")


def strangers(scene, seconds, bodies, answers):
    """A client announces a body and resets, at speed, from one port, for so many seconds, and until it has announced so
    many and the four others have got so many answers."""
    source, announced = ANY_PORT, 0
    with ExitStack() as stack:
        asking = [stack.enter_context(Bystander(scene, 0, f"127.0.0.{3 + n}")) for n in range(4)]
        said = lambda kind: [each for one in asking for each in getattr(one, kind)]
        end = time.monotonic() + seconds
        while time.monotonic() < end or announced < bodies or len(said("answers")) < answers and not said("wrong"):
            client = new_socket(source=source)
            source = client.getsockname()
            with suppress(OSError):
                client.connect((HOST, scene.server.port))
                client.sendall(upload(9_000_000))
                # The refusal is on its way when the port begins a new connection.
                time.sleep(0.005)
                announced += 1
            reset(client)
        scene.demand(all([one.sees(2) for one in asking]), "a stranger still waits for an answer")
    right, wrong, closed = map(said, ("answers", "wrong", "closed"))
    scene.show(f"{announced} bodies; {len(right)} right answers, {len(wrong)} wrong, {len(closed)} closed")
    scene.demand(not wrong and not closed, f"strangers got wrong answers, or none: {wrong[:2]}")


def port_used_again(scene, rounds):
    # A close that the client asked for, a reset, and a close that the server decides on, at once or after an answer.
    endings = {"close": request("0-0", close=True), "reset": request(), "reset body": upload(9_000_000),
               "refusal": BAD, "late refusal": request("0-0") + BAD}
    for ending, sent in endings.items():
        # tiny_http sends these 400 by itself. The new connection may be taken for the old one, and closed.
        right = {206, "ended"} if "refusal" in ending else {206}
        for _ in range(rounds):
            first = scene.server.connect(source=ANY_PORT)
            # It holds the port from now on.
            again = new_socket(source=first.getsockname())
            first.sendall(sent)
            if not ending.startswith("reset"):
                status_of(first, until_end=True)
            # After a reset, the client's side keeps nothing of the old connection.
            reset(first)
            again.connect((HOST, scene.server.port))
            got = status_of(again, request("0-0"))
            reset(again)
            scene.demand(got in right, f"after a {ending}, the new connection got {got}")


def one_client_address(scene, rounds):
    for _ in range(rounds):
        with connect(scene.server.port, OTHER_HOST, source=ANY_PORT) as other:
            first = status_of(other, request("0-0"))
            with scene.server.connect(source=other.getsockname()) as refused:
                refusal = status_of(refused, upload(4 * 10**9), until_end=True)
            # A request does not tell to which of the two it belongs, so both may be hung up. Neither may wait.
            second = status_of(other, request("0-0"))
            reset(other)
        right = first == 206 and refusal in (413, "ended") and second in (206, "ended")
        scene.demand(right, f"one connection got {first} and {second}, the refused one {refusal}")


def resets(scene, count):
    phases = (b"", b"GET / HT", request(), request() * 20, upload(2000) + b"x", upload(9_000_000), upload(4 * 10**9))
    for n in range(count):
        client, sent = scene.server.connect(), phases[n % len(phases)]
        sends(client, sent)
        if n % 4 == 3 and sent == request():
            client.recv(1000)
        reset(client)


def samples_under_load(scene, seconds):
    with ExitStack() as stack:
        asking = [stack.enter_context(Bystander(scene, 0)) for _ in range(16)]
        scene.demand(all(one.sees(2) for one in asking), "a client was not answered")
        page = [*CURL, "--no-buffer", "--max-time", str(seconds), f"{scene.server.url}heap/events"]
        said = subprocess.run(page, capture_output=True, text=True, check=False).stdout
    at_us = [int(us) for us in re.findall('"event":"sample".*?"at_us":([0-9]+)', said)]
    apart_us = max(later - earlier for earlier, later in zip(at_us, at_us[1:]))
    scene.at_most(apart_us / 1000, 250, "ms", f"{len(at_us)} samples, apart at most")
