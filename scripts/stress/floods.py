"""Heads and requests that stop, that never end, or that are more than is good (W1, W2, W3, W5, W7, W8)."""

import time
from contextlib import ExitStack, contextmanager

from client import connect, has_ended, request, reset, upload
from crowd import all_answered, busy_loops, cpu_percent, ranges, with_cookie
from options import full
from scene import STOP_KIB, in_threads
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
# A client of an attack gives up a connection from which the server has read nothing for so long.
UNREAD_SECONDS = full(20, 2)


def sends(client, sent):
    """Sends it. Returns whether the connection was still there, and took it."""
    try:
        client.sendall(sent)
        return True
    except OSError:
        return False


@contextmanager
def held(scene, count, sent):
    """So many connections that send this, read nothing, and stay for the block. The server may end them."""
    with ExitStack() as stack:
        clients = []
        for n in range(count):
            # Each address has 28,000 ports.
            source = (f"127.0.1.{1 + n % 100}", 0)
            clients.append(stack.enter_context(connect(scene.server.port, receive_bytes=4096, source=source)))
            sends(clients[-1], sent)
        yield clients


def withheld_bodies(scene, count, drips):
    """Connections with 300 answers to come, a close, and a body of which nothing is sent, or a byte at a time."""
    closing = request("0-0")[:-2] + b"Connection: x\r\nConnection: close\r\n\r\n"
    sent = request("0-0") * 300 + closing + upload(2000).replace(b"PUT", b"POST")
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            clients += stack.enter_context(held(scene, 1, sent))
            for _ in range(4):
                # About 200 ms.
                if not scene.others.sees(25):
                    return
                for client in clients if drips else ():
                    sends(client, b"x")


def forgotten_pipeline(scene, rounds):
    most_seconds = 0
    for _ in range(rounds):
        with held(scene, 1, request()) as (client,):
            sends(client, request("0-0") * 6000)
            await_quiet(scene.server)
            before = scene.server.cpu_seconds()
            reset(client)
            scene.others.sees(50)
            await_quiet(scene.server)
            most_seconds = max(most_seconds, scene.server.cpu_seconds() - before)
    scene.at_most(most_seconds, 0.5, "s", "CPU")
    scene.demand(most_seconds < 10, f"it took {most_seconds:.1f} s of CPU")


def await_quiet(server):
    """Waits until the server takes less than a fifth of a CPU. The bystander alone needs less."""

    def is_quiet():
        before = server.cpu_seconds()
        time.sleep(0.2)
        return server.cpu_seconds() - before < 0.04

    # Once may be a pause that other programs caused.
    wait_until(lambda: all(is_quiet() for _ in range(3)), 30)


def unread_pipeline(scene):
    with held(scene, 1, request() * 5000):
        begun = wait_until(lambda: scene.server.figures()["in_flight"] > 0)
        scene.demand(begun is not None, "no answer began")
        # As soon as the heap stays as it is, the server has read all that it will.
        wait_until_steady(lambda: scene.server.figures()["live"] >> 20, 1)
        figures, threads = scene.server.figures(), scene.server.threads()
    beside_kib = (figures["live"] - len(scene.whole)) / 1024
    scene.at_most(threads, 30, "threads", "it takes")
    scene.at_most(figures["in_flight"], 1, "requests", "it answers at once")
    scene.at_most(beside_kib, 16 * 1024, "KiB", "beside the body it takes")


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


def gone_before_the_answer(scene):
    count = 300
    with held(scene, 500, b""):
        await_quiet(scene.server)
        before = scene.server.cpu_seconds()
        for _ in range(count):
            with held(scene, 1, b"GET / HTTP/1.1\r\n\r\n"):
                pass
        scene.others.sees(50)
        await_quiet(scene.server)
        each_ms = 1000 * (scene.server.cpu_seconds() - before) / count
    scene.at_most(each_ms, 0.5, "ms", "CPU for each, the bystander's included:")


def endless_heads(scene, piece, seconds):
    """Four heads that never end. Where the server hangs up or reads no further, the client connects again."""
    until = time.monotonic() + seconds
    goes_on = lambda: time.monotonic() < until and scene.server.resident_kib() < STOP_KIB

    def flood():
        while goes_on():
            with held(scene, 1, HEAD + b"X: ") as (client,):
                client.settimeout(UNREAD_SECONDS)
                while goes_on() and sends(client, piece):
                    pass

    in_threads(flood, 4)


def long_heads(scene):

    def flood():
        with held(scene, 1, HEAD[:-2]) as (client,):
            client.settimeout(UNREAD_SECONDS)
            for _ in range(1024):
                if scene.server.resident_kib() > STOP_KIB or not sends(client, b"\r\na: " + b"x" * 32_000):
                    break

    in_threads(flood, 100)


def drips(scene, each, timeout_seconds):
    """Heads, bodies and uploads that have been refused: a byte of each comes every 300 ms, for ever."""
    openings = {"heads": HEAD + b"X: ", "bodies": upload(2000), "refused uploads": upload(4 * 10**9)}
    ended = {}
    with ExitStack() as stack:
        dripping = {}
        for kind, opening in openings.items():
            for client in stack.enter_context(held(scene, each, opening)):
                dripping[client] = kind
        start = time.monotonic()
        while dripping and time.monotonic() - start < PATIENCE_SECONDS:
            time.sleep(0.3)
            for client in [client for client in dripping if not sends(client, b"x")]:
                ended[dripping.pop(client)] = time.monotonic() - start
        for kind in openings:
            stayed = list(dripping.values()).count(kind)
            scene.demand(not stayed, f"{stayed} of {each} {kind} stayed")
    for kind, seconds in ended.items():
        # They drip every 0.3 s, and the second byte that comes too late is what fails.
        scene.at_most(seconds, 1.5 * timeout_seconds + 0.6, "s", f"the last of the {kind} ended after")


def slow_and_silent(scene, deaf):
    few = lambda: scene.server.figures()["live"] < 4 << 20
    with held(scene, 300, b""), held(scene, 300, HEAD + b"X: "), held(scene, deaf, request()):
        scene.demand(scene.others.sees(10), "the bystander was not answered beside them")
        scene.show(f"{scene.server.figures()['live_peak'] >> 20} MiB of heap at most")
        freed = wait_until(few)
        scene.demand(freed is not None, "their memory was not freed")
        scene.at_most(freed or float("inf"), 20, "s", "freed after")
    outcomes = {event["outcome"] for event in scene.server.requests() if event["status"] == 200}
    scene.demand(outcomes == {"timed_out"}, f"those that did not read ended with {outcomes}")


def cpu_of_held(scene, count, sent, percent, seconds=5):
    """The CPU that the server takes for connections that are held, all their bytes sent."""
    with held(scene, count, sent):
        time.sleep(1)
        taken = cpu_percent(scene, lambda: time.sleep(seconds))
    scene.at_most(taken, percent, "%", f"CPU for {count} of them, the bystander's included:")


def uploads_beside_heads(scene, heads, rounds):
    sent = upload(1 << 20) + bytes(1 << 20)
    for loops in (0, 2):
        with busy_loops(loops), held(scene, heads, HEAD + b"X: " + b"x" * 60_000) as clients:
            for n in range(rounds):
                all_answered(scene, 10, sent, [(405, None)], f"uploads, round {n + 1}, beside {loops} busy loops")
            scene.show(f"{sum(map(has_ended, clients))} of the heads were hung up")


def bursts_beside_unread(scene, clients, bursts):
    sent, rights = ranges(scene, 300, 1000)
    for loops in (0, 2):
        with busy_loops(loops), held(scene, clients, with_cookie(request(), 600) * 250):
            for n in range(bursts):
                all_answered(scene, 10, sent, rights, f"burst {n + 1}, beside {loops} busy loops")
