"""Heads and requests that stop, that never end, or that are more than is good (W1, W2, W3, W5, W7, W8)."""

import time
from contextlib import ExitStack

from client import request, reset, upload
from crowd import cpu_percent, held, sends
from options import full
from scene import STOP_KIB
from waiting import PATIENCE_SECONDS, wait_until

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
BAD = b"GET / HTTP/1.1\r\n\r\n"
# A client of an attack gives up a connection from which the server has read nothing for so long.
UNREAD_SECONDS = full(20, 2)


def withheld_bodies(scene, count):
    """Connections with 300 answers to come, a close, and a body that comes a byte at a time, or not at all."""
    closing = request("0-0")[:-2] + b"Connection: x\r\nConnection: close\r\n\r\n"
    sent = request("0-0") * 300 + closing + upload(2000).replace(b"PUT", b"POST")
    with held(scene, count, sent) as clients:
        for _ in range(4 * count):
            scene.others.sees(25)
            for client in clients[::2]:
                sends(client, b"x")


def forgotten_pipeline(scene, rounds):
    for _ in range(rounds):
        with held(scene, 1, request()) as (client,):
            sends(client, request("0-0") * 6000)
            scene.at_most(cpu_until_quiet(scene, lambda client=client: reset(client)), 0.5, "s", "CPU")


def gone_before_the_answer(scene, count):
    def come_and_go():
        for _ in range(count):
            with held(scene, 1, BAD):
                pass

    with held(scene, 500, b""):
        cpu_ms = 1000 * cpu_until_quiet(scene, come_and_go)
    scene.at_most(cpu_ms / count, 0.5, "ms", "CPU for each, the bystander's included:")


def cpu_until_quiet(scene, work):
    """The CPU that the server takes for `work` and after it. Before and after it, it needs only what the bystander's
    asks take: less than a fifth of a CPU, in three looks, because once may be a pause that other programs caused."""
    is_quiet = lambda: all(cpu_percent(scene, lambda: time.sleep(0.2)) < 20 for _ in range(3))
    wait_until(is_quiet, 30)
    before = scene.server.cpu_seconds()
    work()
    scene.others.sees(50)
    wait_until(is_quiet, 30)
    return scene.server.cpu_seconds() - before


def waiting_heads(scene):
    """3,000 pipelined heads with a field that the server reads, and one of a body, for which tiny_http keeps them."""
    head = request()[:-2] + b'Content-Length: 0\r\nIf-None-Match: "' + b"x" * 300_000 + b'"\r\n\r\n'
    sent = 0
    with held(scene, 1, b"") as (client,):
        client.settimeout(UNREAD_SECONDS)
        while sent < 3000 and scene.server.resident_kib() < STOP_KIB and sends(client, head):
            sent += 1
        scene.others.sees(20)
    scene.show(f"{sent} heads sent")


def endless_heads(scene, piece, count, seconds):
    """Heads that never end. Where the server hangs up, the client connects again."""
    until = time.monotonic() + seconds
    with ExitStack() as stack:
        clients = [stack.enter_context(held(scene, 1, HEAD + b"X: "))[0] for _ in range(count)]
        while time.monotonic() < until and scene.server.resident_kib() < STOP_KIB:
            for n, client in enumerate(clients):
                client.setblocking(False)
                try:
                    client.send(piece)
                except BlockingIOError:
                    pass
                except OSError:
                    clients[n] = stack.enter_context(held(scene, 1, HEAD + b"X: "))[0]
            time.sleep(0.001)


def drips(scene, each, timeout_seconds):
    """Heads, bodies and uploads that have been refused: a byte of each comes every 300 ms, for ever."""
    openings = {"heads": HEAD + b"X: ", "bodies": upload(2000), "refused uploads": upload(4 * 10**9)}
    with ExitStack() as stack:
        dripping = {client: kind for kind, opening in openings.items()
                    for client in stack.enter_context(held(scene, each, opening))}
        start, ended = time.monotonic(), {}
        while dripping and time.monotonic() - start < PATIENCE_SECONDS:
            time.sleep(0.3)
            for client in [client for client in dripping if not sends(client, b"x")]:
                ended[dripping.pop(client)] = time.monotonic() - start
    scene.demand(not dripping, f"{len(dripping)} stayed, such as {set(dripping.values())}")
    for kind, seconds in ended.items():
        # They drip every 0.3 s, and the second byte that comes too late is what fails.
        scene.at_most(seconds, 1.5 * timeout_seconds + 0.6, "s", f"the last of the {kind} ended after")


def slow_and_silent(scene, deaf, timeout_seconds):
    with held(scene, 300, b""), held(scene, 300, HEAD + b"X: "), held(scene, deaf, request()) as clients:
        for client in clients:
            scene.demand(client.recv(65536), "a viewer got nothing")
        scene.demand(scene.others.sees(10), "the bystander was not answered beside them")
        scene.show(f"{scene.server.figures()['live_peak'] >> 20} MiB of heap at most")
        freed = wait_until(lambda: scene.server.figures()["live"] < 4 << 20)
        scene.demand(freed is not None, "their memory was not freed")
        ended = lambda: [event for event in scene.server.requests() if event["status"] == 200]
        wait_until(lambda: len(ended()) >= deaf)
    outcomes = {event["outcome"] for event in ended()}
    scene.demand(outcomes == {"timed_out"}, f"those that did not read ended with {outcomes}")
    # What comes before they stall takes some of it.
    slowest = max(event["duration_us"] for event in ended()) / 1e6
    scene.at_most(slowest, 1.5 * timeout_seconds + 1, "s", "the last was given up after")


def cpu_of_held(scene, count, sent, percent):
    """The CPU that the server takes for connections that are held, all their bytes sent."""
    with held(scene, count, sent):
        time.sleep(1)
        taken = cpu_percent(scene, lambda: time.sleep(full(5, 1)))
    scene.at_most(taken, percent, "%", f"CPU for {count} of them, the bystander's included:")
