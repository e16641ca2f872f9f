"""Honest clients, many at a time: each must be answered, with the right bytes, whatever others do."""

import asyncio
import multiprocessing
import os
import re
import statistics
import subprocess
import time
from contextlib import ExitStack, contextmanager

from bystander import Bystander
from client import HOST, first_bytes, is_answered, read_answer, request
from options import full
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady

NEVER = float("inf")
# The kernel reads no more than this ahead for a viewer. It sends 4 MiB ahead at most, so files are larger.
RECEIVE_BYTES = 16 << 10


def with_cookie(head, length_bytes):
    """The head with a cookie of this length."""
    return head[:-2] + b"Cookie: a=" + b"c" * length_bytes + b"\r\n\r\n"


async def talk(port, sent, rights):
    """One client: sends everything and reads meanwhile. Returns how many of its answers were right, one after the
    other. `rights` are pairs of a status and a body; any body is right where it is None."""
    done, writer = 0, None
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        for status, body in rights:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?im)^content-length: *(\d+)", head)
            got = await reader.readexactly(int(length[1]))
            if int(head.split()[1]) != status or body not in (None, got):
                break
            done += 1
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        if writer:
            writer.transport.abort()
    return done


def all_answered(scene, clients, sent, rights, what, least=1):
    """So many clients talk at once: every answer must be right, or this share of them."""

    async def together():
        talks = (asyncio.wait_for(talk(scene.server.port, sent, rights), 2 * PATIENCE_SECONDS) for _ in range(clients))
        return await asyncio.gather(*talks, return_exceptions=True)

    done = [0 if isinstance(got, Exception) else got for got in asyncio.run(together())]
    lost = sum(got < len(rights) for got in done)
    scene.show(f"{what}: {sum(done)} of {clients * len(rights)} answered")
    met = sum(done) >= least * clients * len(rights)
    scene.demand(met, f"{what}: {lost} of {clients} clients lack answers or have wrong ones")


def ranges(scene, count, cookie_bytes):
    """So many requests for ranges of 100 bytes, each with a cookie, and their answers."""
    firsts = [97 * n % (len(scene.whole) - 100) for n in range(count)]
    heads = [with_cookie(request(f"{first}-{first + 99}"), cookie_bytes) for first in firsts]
    return b"".join(heads), [(206, scene.whole[first : first + 100]) for first in firsts]


def pipeliners(scene, clients, requests, cookie_bytes):
    """Clients that send all their requests ahead, on a quiet machine and on a busy one."""
    sent, rights = ranges(scene, requests, cookie_bytes)
    for loops in (0, 2):
        with busy_loops(loops):
            all_answered(scene, clients, sent, rights, f"beside {loops} busy loops")


def _never_ends():
    while True:
        pass


@contextmanager
def busy_loops(count):
    """So many processes that use a CPU each."""
    processes = [multiprocessing.Process(target=_never_ends, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def viewers(scene, clients, rounds=1, reads_bytes=65536, latest_ms=NEVER):
    """So many viewers begin at the same instant, and stay until all have begun. Then they read and compare so much."""
    latest, right = [], scene.whole[:reads_bytes]
    for _ in range(rounds):
        times, opened = first_bytes(scene.server.port, clients, request(), PATIENCE_SECONDS, RECEIVE_BYTES)
        latest.append(1000 * max(times))
        scene.demand(latest[-1] < NEVER, f"{times.count(NEVER)} of {clients} viewers were not answered")
        scene.demand(is_answered(scene.server.port, PATIENCE_SECONDS), "one more was not answered")
        figures = scene.server.figures()
        wrong = sum(not begins_with(client, right) for client in opened)
        scene.demand(not wrong, f"{wrong} of {clients} viewers got wrong bytes, or not all")
    scene.at_most(max(latest), latest_ms, "ms", f"latest first byte: median {statistics.median(latest):.0f}, at most")
    each_kib = [figures[name] / clients / 1024 for name in ("rss", "live")]
    scene.show(f"{each_kib[0]:.0f} KiB of RSS and {each_kib[1]:.0f} of heap each")


def begins_with(client, right):
    """Reads the rest of a 200 whose first byte has been read, as far as `right` goes, and closes."""
    data, length_bytes = b"", NEVER
    try:
        client.settimeout(PATIENCE_SECONDS)
        with client:
            while len(data) < length_bytes and (piece := client.recv(1 << 20)):
                data += piece
                if length_bytes == NEVER and b"\r\n\r\n" in data:
                    length_bytes = data.index(b"\r\n\r\n") + 4 + len(right)
    except OSError:
        return False
    head, _, body = data.partition(b"\r\n\r\n")
    return head.startswith(b"TTP/1.1 200") and body[: len(right)] == right


def kept_alive(scene):
    """16 clients that ask again and again. Nagle's algorithm would make each wait for 40 ms."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Bystander(scene, 0, kind="kept")) for _ in range(16)]
        scene.demand(all(client.sees(500) for client in clients), "one of them was not answered")
    took = [seconds for client in clients for seconds in client.answers]
    slow = sum(0.038 < seconds < 0.046 for seconds in took)
    scene.demand(slow < len(took) / 4, f"{slow} of {len(took)} waited for 40 ms")
    scene.demand(not any(client.wrong or client.closed for client in clients), "answers were wrong or missing")


def load_script(scene):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "load.sh")
    command = [script, "-n", "20", scene.server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            said = running.communicate(timeout=5 * PATIENCE_SECONDS)[0].splitlines()
        finally:
            # It stops what it has started.
            running.terminate()
    scene.demand(running.returncode == 0, f"exit code {running.returncode}: {said}")
    scene.show(", ".join(said[1:2]))


def cpu_after_crowd(scene, clients):
    idle_before, asked_before = cpu_of_quiet_times(scene)
    scene.at_most(idle_before, 0.1, "%", "CPU when idle")
    if clients:
        opened = first_bytes(scene.server.port, clients, request("0-0"), PATIENCE_SECONDS)
        scene.demand(NEVER not in opened[0], f"{opened[0].count(NEVER)} clients were not answered")
        for client in opened[1]:
            client.close()
        wait_until(lambda: scene.server.threads() <= scene.idle.threads)
        idle_after, asked_after = cpu_of_quiet_times(scene)
        # A server that walks to the highest number that it ever used takes ten times as much.
        scene.show(f"CPU when asked 100 times a second: {asked_before:.2f} %, {asked_after:.2f} % after {clients} came")
        scene.demand(idle_after <= idle_before + 0.1, f"when idle it takes {idle_after:.3f} % after {clients} clients")
        scene.demand(asked_after <= 2 * asked_before + 2, "asked as before, it takes more than before")
    else:
        # A loop that never sleeps takes far more; what else runs on the machine does not add to this.
        scene.demand(idle_before < 10, f"it used {idle_before:.1f} % of a CPU")


def cpu_of_quiet_times(scene):
    """Percent of a CPU when idle, and when asked 100 times a second."""
    # The threads that answered the last request end within five seconds.
    wait_until_steady(scene.server.threads, 5.5)
    idle = cpu_percent(scene, lambda: time.sleep(full(60, 5)))
    with scene.server.connect() as client:

        def asks():
            for _ in range(300):
                client.sendall(request("0-0"))
                scene.demand(read_answer(client)[0] == 206, "a light request was not answered")
                time.sleep(0.01)

        return idle, cpu_percent(scene, asks)


def cpu_percent(scene, work):
    """How much of a CPU the server uses while `work` runs."""
    before, start = scene.server.cpu_seconds(), time.monotonic()
    work()
    return 100 * (scene.server.cpu_seconds() - before) / (time.monotonic() - start)
