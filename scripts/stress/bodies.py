"""Bodies that are announced, that are not sent, that are refused, or that are late (W4, W8, W16)."""

import os
import signal
import socket
import subprocess
import time
from collections import Counter
from contextlib import suppress

from client import is_answered, read_answer, read_status, request, reset, status_of, upload
from crowd import held, sends
from options import full
from waiting import PATIENCE_SECONDS, wait_until

CHUNKED = (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
           + 92 * (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") + b"0\r\n\r\n")
LENGTHS_BYTES = (9_000_000, 4_000_000_000)


def unsent(scene, count, lengths_bytes=LENGTHS_BYTES, at_once=100):
    """Bodies are announced and never sent. Half of the clients reset their connections, half close in order. Then an
    honest viewer gets the whole file, also where the heap has little room for others."""
    for n in range(count // at_once):
        with held(scene, at_once, upload(lengths_bytes[n % 2])) as clients:
            answered = wait_until(lambda: is_answered(scene.server.port)) is not None
            scene.demand(answered, f"nobody new is answered after {(n + 1) * at_once} of them")
            for client in clients[::2]:
                reset(client)
        if scene.wrong:
            break
    scene.show(f"{(n + 1) * at_once} announced, {scene.server.threads() - scene.idle_threads} more threads then")
    with scene.server.connect() as client:
        client.sendall(request())
        scene.demand(read_answer(client) == (200, scene.whole), "a viewer does not get the file any more")


def refused(scene, count):
    for n in range(count):
        with held(scene, 1, upload((200_000, 4 * 10**9)[n % 2])) as (client,):
            # The server need not wait for its timeout: nothing more will come. It may have refused already.
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            said = read_status(client)
        scene.demand(said in ("ended", 400, 405, 408, 413), f"number {n} without a body got {said}")
        if said == "none":
            return
    by_curl(scene, (200_000, 3_000_000, 40_000_000), full(20, 2))


def by_curl(scene, lengths_bytes, rounds):
    """curl uploads so many bytes, with their length, and in chunks from stdin, whose length it cannot know."""
    said = Counter()
    url = f"http://localhost:{scene.server.port}/file"
    command = ["curl", "-q", "--silent", "--max-time", str(PATIENCE_SECONDS), "--output", os.devnull]
    for length_bytes in rounds * lengths_bytes:
        path = f"{scene.file}.{length_bytes}"
        with open(path, "wb") as body:
            body.truncate(length_bytes)
        for how in ("--upload-file", path), ("--upload-file", "-", "--header", "Expect:"):
            with open(path, "rb") as body:
                ran = subprocess.run([*command, "--write-out", "%{http_code}", *how, url],
                                     stdin=body, stdout=subprocess.PIPE, text=True, check=False)
            said[f"{ran.stdout}, exit code {ran.returncode}"] += 1
    scene.demand(set(said) <= {"405, exit code 0", "413, exit code 0"}, f"curl got {dict(said)}")


def sent_whole(scene, count, sent):
    """Bodies that are sent whole, whatever the server says meanwhile. Then the refusal must be there to be read."""
    for n in range(count):
        with scene.server.connect() as client:
            if not sends(client, sent):
                # Most clients then give up, though Linux would let them read what came before the reset.
                scene.show(f"number {n} was reset while sending")
            said = status_of(client)
        scene.demand(said in (400, 405, 411, 413), f"number {n} read {said}")


def stopped_server(scene, count):
    body, parts, seen = 200_000, [], Counter()
    for whole, right in count * ((upload(body) + bytes(body), 405), (request("0-0"), 206)):
        client = scene.server.connect()
        client.sendall(whole[: len(whole) // 2])
        parts.append((client, whole[len(whole) // 2 :], right))
    time.sleep(0.5)
    os.kill(scene.server.pid, signal.SIGSTOP)
    for client, rest, _ in parts:
        client.sendall(rest)
    time.sleep(3)
    os.kill(scene.server.pid, signal.SIGCONT)
    for client, _, right in parts:
        with client:
            seen[f"{status_of(client)} for {right}"] += 1
    scene.show(f"answers: {dict(seen)}")
    scene.demand(set(seen) == {"405 for 405", "206 for 206"}, "what came while it was stopped was not answered")
