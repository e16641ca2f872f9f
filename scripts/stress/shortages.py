"""What runs out: threads and descriptors (W6, W9, W10). And the end under load."""

import signal
import time
from contextlib import ExitStack

from client import has_ended, is_answered, request
from crowd import held, sends
from waiting import wait_until, wait_until_steady

HTTP_2 = (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
HTTP_2_LONG = (HTTP_2[0][:-2] + b"X: " + b"x" * 62 * 1024 + b"\r\n\r\n",)


def http_2(scene, count, openings=HTTP_2):
    """Clients speak HTTP/2.0, which tiny_http never answers: they are hung up, and the trace tells of lost threads."""
    waiting, start = [], time.monotonic()
    with ExitStack() as stack:
        for n in range(count):
            with ExitStack() as brief:
                try:
                    client = (stack if n % 200 < 2 else brief).enter_context(scene.server.connect())
                except OSError:
                    continue  # Nobody accepts any more.
                sends(client, openings[n % len(openings)])
                waiting += [client] if n % 200 < 2 else []
        ended = wait_until(lambda: all(map(has_ended, waiting)))
        scene.demand(ended is not None, "some of them are not hung up")
        scene.show(f"the last of {count} was hung up {time.monotonic() - start:.1f} s after the first came")
    await_warning(scene)


def await_warning(scene):
    """Where many threads are lost, the trace says so a second later, and again only when they have doubled."""
    warnings = lambda: [event for event in scene.server.events() if event["event"] == "warning"]
    lost = scene.server.threads() - scene.idle_threads
    # Some of them still end.
    warned = lost < 110 or wait_until(warnings, 10) is not None
    scene.show(f"{lost} threads are lost, {len(warnings())} warnings")
    scene.demand(warned and len(warnings()) <= 12, f"{lost} threads are lost, and {len(warnings())} warnings tell of it")


def http_2_in_few_descriptors(scene, count):
    """The same under few descriptors. Nobody new is then served, because only tiny_http could close what they hold."""
    for n in range(count):
        try:
            with scene.server.connect() as client:
                sends(client, HTTP_2[n % 2])
        except OSError:
            break
    start = time.monotonic()
    meanwhile = is_answered(scene.server.port, 10)
    scene.show(f"after {n + 1} a new client is answered: {meanwhile}, after {time.monotonic() - start:.1f} s")
    scene.demand(scene.others.sees(100), "one who was connected before is not answered any more")
    await_warning(scene)


def out_of_threads(scene, viewers):
    with held(scene, viewers, request()):
        # It needs more threads than it can have.
        wait_until_steady(scene.server.threads, 0.5)
        most = scene.server.threads()
    back = wait_until(lambda: is_answered(scene.server.port))
    scene.show(f"{most} threads at most")
    scene.demand(most >= 95, "the limit of threads was not reached")
    scene.at_most(back or 0, 1, "s", "others are answered again after")
    scene.demand(back is not None, "nobody is answered afterwards")
    ours = ('{"event":"listening"', '{"event":"request"')
    odd = [line.strip() for line in list(scene.server.lines) if not line.startswith(ours)]
    scene.demand(not odd, f"stderr has {len(odd)} other lines: {odd[:2]}")


def out_of_descriptors(scene, rounds):
    slowest_seconds = 0
    for _ in range(rounds):
        with held(scene, 200, request(close=True)) as clients:
            time.sleep(0.3)
            scene.demand(not any(begins_wrong(scene, client) for client in clients), "some clients got wrong bytes")
        back = wait_until(lambda: is_answered(scene.server.port))
        scene.demand(back is not None, "nobody is answered afterwards")
        if back is None:
            return
        slowest_seconds = max(slowest_seconds, back)
        wait_until(lambda: scene.server.descriptors() < 20)
    scene.at_most(slowest_seconds, 2, "s", "others are answered again after")
    few = wait_until(lambda: scene.server.threads() < 30)
    scene.demand(few is not None, f"{scene.server.threads()} threads are left")
    scene.at_most(few or 0, 10, "s", "under 30 threads after")


def begins_wrong(scene, client):
    """Whether it has a 200 that does not begin as the file does."""
    client.setblocking(False)
    try:
        head, _, body = client.recv(1 << 20).partition(b"\r\n\r\n")
    except OSError:
        return False
    return head.startswith(b"HTTP/1.1 200") and not scene.whole.startswith(body)


def stops_under_load(scene, clients):
    with held(scene, clients, request("0-9999") * 300), held(scene, 20, request()):
        wait_until(lambda: len(scene.server.lines) > 100)
        # It waits for running answers.
        took = scene.server.ends_after(signal.SIGTERM)
    scene.demand(took is not None, "SIGTERM does not end it")
    scene.at_most(took or 0, 10, "s", "SIGTERM ended it after")
    wait_until(lambda: scene.server.lines and '"stopped"' in scene.server.lines[-1], 5)
    events = scene.server.events()
    told = [event for event in events if event["event"] == "request"]
    stopped = events[-1]
    sums = (len(told), sum(event["sent_bytes"] for event in told))
    same = stopped["event"] == "stopped" and sums == (stopped["requests"], stopped["sent_bytes"])
    scene.demand(same, f"the lines are {sums}, the last one says {stopped}")
