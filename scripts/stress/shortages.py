"""What runs out (W6, W9, W10, W11): descriptors, threads, memory, and the reader of stderr."""

import os
import signal
import time
from contextlib import ExitStack

from bystander import Bystander
from client import has_ended, is_answered, request
from crowd import all_answered, ranges
from floods import held, sends
from options import full
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady

HTTP_2 = (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
HTTP_2_LONG = (HTTP_2[0][:-2] + b"X: " + b"x" * 62 * 1024 + b"\r\n\r\n",)


def http_2(scene, count, openings=HTTP_2):
    """Clients speak HTTP/2.0, which tiny_http never answers: they are hung up, and the trace tells of lost threads."""
    waiting, start = [], time.monotonic()
    with ExitStack() as stack:
        for n in range(count):
            with ExitStack() as brief:
                keeper = stack if n % 200 < 2 else brief
                try:
                    client = keeper.enter_context(scene.server.connect())
                except OSError:
                    continue  # Nobody accepts any more.
                sends(client, openings[n % len(openings)])
                if keeper is stack:
                    waiting.append(client)
        ended = wait_until(lambda: all(map(has_ended, waiting)))
        scene.demand(ended is not None, "some of them are not hung up")
        scene.show(f"the last of {count} was hung up {time.monotonic() - start:.1f} s after the first came")
    warnings = [event for event in scene.server.events() if event["event"] == "warning"]
    scene.show(f"{len(warnings)} warnings")
    lost = scene.server.threads() - scene.idle.threads
    few = 1 <= len(warnings) <= 12
    scene.demand(lost <= 110 or few, f"{lost} threads are lost, and {len(warnings)} warnings tell of it")


def http_2_in_few_descriptors(scene, count):
    """The same under few descriptors: how long others then wait is tiny_http's alone, and only shown."""
    for n in range(count):
        try:
            with scene.server.connect() as client:
                sends(client, HTTP_2[n % 2])
        except OSError:
            break
    start = time.monotonic()
    meanwhile = is_answered(scene.server.port, full(30, 5))
    scene.show(f"after {n + 1} a new client is answered: {meanwhile}, after {time.monotonic() - start:.1f} s")
    scene.demand(scene.others.sees(10), "one who was connected before is not answered any more")


def out_of_threads(scene, viewers):
    with held(scene, viewers, request()):
        # It needs more threads than it can have.
        wait_until_steady(scene.server.threads, 0.5)
        most = scene.server.threads()
    back = wait_until(lambda: is_answered(scene.server.port, 10))
    scene.show(f"{most} threads at most")
    scene.demand(most >= 95, "the limit of threads was not reached")
    scene.at_most(back if back is not None else PATIENCE_SECONDS, 1, "s", "others are answered again after")
    scene.demand(back is not None, "nobody is answered afterwards")
    ours = ('{"event":"listening"', '{"event":"request"')
    odd = [line.strip() for line in list(scene.server.lines) if not line.startswith(ours)]
    scene.demand(not odd, f"stderr has {len(odd)} other lines: {odd[:2]}")


def out_of_descriptors(scene, rounds):
    slowest, few = 0, None
    for _ in range(rounds):
        with held(scene, 200, request(close=True)) as clients:
            time.sleep(0.3)
            scene.demand(not wrong_beginnings(scene, clients), "some of the clients got wrong bytes")
        back = wait_until(lambda: is_answered(scene.server.port, 10))
        scene.demand(back is not None, "nobody is answered afterwards")
        if back is None:
            return
        slowest = max(slowest, back)
        wait_until(lambda: scene.server.descriptors() < 20)
    scene.at_most(slowest, 2, "s", "others are answered again after")
    few = wait_until(lambda: scene.server.threads() < 30)
    scene.demand(few is not None, f"{scene.server.threads()} threads are left")
    scene.at_most(few or 0, 10, "s", "under 30 threads after")


def wrong_beginnings(scene, clients):
    """How many of them have a 200 that does not begin as the file does."""
    wrong = 0
    for client in clients:
        client.setblocking(False)
        try:
            data = client.recv(1 << 20)
        except OSError:
            data = b""
        wrong += data.startswith(b"HTTP/1.1 200") and not scene.whole.startswith(data.partition(b"\r\n\r\n")[2])
    return wrong


def storms(scene, rounds):
    sent, rights = ranges(scene, 1, 100)
    for n in range(rounds):
        all_answered(scene, 80, sent, rights, f"burst {n + 1}", least=0.5)


def out_of_memory(scene, viewers):
    with held(scene, viewers, request()) as clients:
        wait_until(lambda: all(map(has_begun, clients)), 20)
        seen = [has_begun(client) for client in clients]
        scene.show(f"{seen.count(b'200')} served, {seen.count(b'503')} refused, {seen.count(b'')} without an answer")
        scene.demand(b"503" in seen, "nobody was refused, so nothing was tried")
        scene.demand(b"" not in seen, "some were neither served nor refused")


def has_begun(client):
    """The status of the answer, which is only looked at; nothing where it has not begun."""
    client.setblocking(False)
    try:
        return client.recv(12, 2)[9:]  # MSG_PEEK
    except OSError:
        return b""


def unread_stderr(scene, asks):
    # Opened anew: the flag must not be set for the server, whose writes have to block.
    own = os.open(f"/proc/self/fd/{scene.stderr[1]}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(own, b"\n" * 4096)
    except BlockingIOError:
        os.close(own)
    with Bystander(scene) as others:
        scene.demand(others.sees(asks), "the bystander is not answered")
    ends(scene, 1.5)


def ends(scene, most_seconds):
    took = scene.server.ends_after(signal.SIGTERM)
    scene.demand(took is not None, "SIGTERM does not end it")
    scene.at_most(took or 0, most_seconds, "s", "SIGTERM ended it after")


def stops_under_load(scene, clients):
    with held(scene, clients, request("0-9999") * 300), held(scene, 20, request()):
        wait_until(lambda: len(scene.server.lines) > 100)
        # It waits for running answers.
        ends(scene, 10)
    wait_until(lambda: scene.server.lines and '"stopped"' in scene.server.lines[-1], 5)
    events = scene.server.events()
    told = [event for event in events if event["event"] == "request"]
    scene.demand(events[-1]["event"] == "stopped", f"the last line is {events[-1]}")
    stopped = next(event for event in events if event["event"] == "stopped")
    sums = (len(told), sum(event["sent_bytes"] for event in told))
    scene.demand(sums == (stopped["requests"], stopped["sent_bytes"]), f"the lines are {sums}, stopped says {stopped}")
