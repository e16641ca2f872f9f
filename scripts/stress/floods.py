"""Heads and requests that stop, that never end, or that are more than is good (W1 to W8). What they can take: threads
and descriptors (W6, W9, W10)."""

import time
from contextlib import ExitStack, suppress

from client import is_answered, request, reset, status_of, upload
from crowd import held, sends
from scene import STOP_KIB, full
from waiting import PATIENCE_SECONDS, wait_until

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
BAD = b"GET / HTTP/1.1\r\n\r\n"
HTTP_2 = (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


def withheld_bodies(scene, count):
    """Connections with 300 answers to come, a close, and a body that comes a byte at a time, or not at all."""
    closing = request("0-0")[:-2] + b"Connection: x\r\nConnection: close\r\n\r\n"
    with held(scene, count, request("0-0") * 300 + closing + upload(2000)) as clients:
        for _ in range(4 * count):
            scene.others.sees(25)
            for client in clients[::2]:
                sends(client, b"x")


def forgotten_pipeline(scene, rounds):
    for _ in range(rounds):
        with held(scene, 1, request()) as (client,):
            sends(client, request("0-0") * 6000)
            scene.at_most(cpu_seconds_of(scene, lambda client=client: reset(client)), 0.5, "s", "CPU")


def gone_before_the_answer(scene, count):
    def come_and_go():
        for _ in range(count):
            with held(scene, 1, BAD):
                pass

    with held(scene, 500, b""):
        cpu_ms = 1000 * cpu_seconds_of(scene, come_and_go)
    scene.at_most(cpu_ms / count, 0.5, "ms", "CPU for each, the bystander's included:")


def cpu_seconds_of(scene, work):
    """The CPU that the server takes for `work`, and soon after it. What was before it has come to rest."""
    scene.others.sees(100)
    before = scene.server.cpu_seconds()
    work()
    time.sleep(full(3, 0.5))
    return scene.server.cpu_seconds() - before


def endless_heads(scene, piece, count, seconds):
    """Heads that never end. Where the server hangs up, the client connects again."""
    until = time.monotonic() + seconds
    with ExitStack() as stack:
        begin = lambda: stack.enter_context(held(scene, 1, HEAD))[0]
        clients = [begin() for _ in range(count)]
        while time.monotonic() < until and scene.server.resident_kib() < STOP_KIB:
            for n, client in enumerate(clients):
                client.setblocking(False)
                try:
                    client.send(piece)
                except BlockingIOError:
                    pass
                except OSError:
                    clients[n] = begin()
            time.sleep(0.001)


def drips(scene, each, timeout_seconds):
    """Heads, bodies and uploads that have been refused: a byte of each comes every 300 ms, for ever."""
    with ExitStack() as stack:
        dripping = {client: opening for opening in (HEAD, upload(2000), upload(4 * 10**9))
                    for client in stack.enter_context(held(scene, each, opening))}
        start, ended = time.monotonic(), {}
        while dripping and time.monotonic() - start < PATIENCE_SECONDS:
            time.sleep(0.3)
            for client in [client for client in dripping if not sends(client, b"x")]:
                ended[dripping.pop(client)] = time.monotonic() - start
    scene.demand(not dripping, f"{len(dripping)} stayed, which began with {set(dripping.values())}")
    # They drip every 0.3 s, and the second byte that comes too late is what fails.
    scene.at_most(max(ended.values()), 1.5 * timeout_seconds + 0.6, "s", "the last ended after")


def slow_and_silent(scene, deaf, timeout_seconds):
    with held(scene, 300, b""), held(scene, 300, HEAD), held(scene, deaf, request()) as clients:
        for client in clients:
            scene.demand(client.recv(65536), "a viewer got nothing")
        scene.demand(scene.others.sees(10), "the bystander was not answered beside them")
        scene.show(f"{scene.server.figures()['live_peak'] >> 20} MiB of heap at most")
        scene.comes(lambda: scene.server.figures()["live"] < 4 << 20, "their memory was not freed")
        ended = lambda: [event for event in scene.server.requests() if event["status"] == 200]
        scene.comes(lambda: len(ended()) >= deaf, "some of those that do not read have not ended")
    outcomes = {event["outcome"] for event in ended()}
    scene.demand(outcomes == {"timed_out"}, f"those that did not read ended with {outcomes}")
    # What comes before they stall takes some of it.
    slowest = max(event["duration_us"] for event in ended()) / 1e6
    scene.at_most(slowest, 1.5 * timeout_seconds + 1, "s", "the last was given up after")


def http_2(scene, count, openings):
    """Clients speak HTTP/2.0, which tiny_http never answers: they are hung up, and the trace tells of lost threads.
    Under few descriptors nobody new is then served, because only tiny_http could close what they hold."""
    with held(scene, 20, openings[0]) as waiting:
        for n in range(count - 20):
            with suppress(OSError), scene.server.connect() as client:
                sends(client, openings[n % len(openings)])
        ends = {status_of(client, until_end=True) for client in waiting}
        scene.demand(ends == {"ended"}, f"some of them are not hung up, but: {ends}")
    scene.show(f"a new client is answered: {is_answered(scene.server.port)}")
    scene.demand(scene.others.sees(100), "the bystander is not answered any more")
    # Where many threads are lost, the trace says so a second later, and again only when they have doubled.
    warnings = lambda: sum(event["event"] == "warning" for event in scene.server.events())
    lost = lambda: scene.server.threads() - scene.idle_threads
    # Some of them still end.
    scene.comes(lambda: lost() < 110 or warnings(), "no warning tells of the threads that are lost")
    scene.show(f"{lost()} threads are lost, {warnings()} warnings")
    scene.demand(warnings() <= 12, f"{warnings()} warnings are too many")


def shortages(scene, clients, sent, short_from, rounds, back_seconds):
    """So many clients together need more threads or descriptors than the server may have. When it has taken
    `short_from` of them, they leave. (Near the limit of descriptors it may accept nobody, and keep some.)"""
    used = scene.server.threads if scene.row.threads else scene.server.descriptors
    for _ in range(rounds):
        with held(scene, clients, sent):
            scene.comes(lambda: used() >= short_from, f"fewer than {short_from} were in use")
        scene.at_most(scene.serves("afterwards"), back_seconds, "s", "others are answered again after")
        wait_until(lambda: used() < short_from / 2)
