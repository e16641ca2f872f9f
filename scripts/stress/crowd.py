"""Honest clients, many at a time: each must be answered, with the right bytes, whatever others do."""

import asyncio
import re
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

from bystander import Bystander
from client import HOST, connect, first_bytes, read_answer, request
from program import ROOT
from scene import NEVER, ROW_SECONDS, full
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady


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


def all_answered(scene, clients, sent, rights, rounds=1, beside=(0, b""), least=1):
    """So many clients talk at once, some rounds, beside connections that are held(). Every answer must be right, or this
    share of them. The full run does it again beside two loops that use a CPU each."""

    async def together():
        talks = (asyncio.wait_for(talk(scene.server.port, sent, rights), ROW_SECONDS / 4) for _ in range(clients))
        return await asyncio.gather(*talks, return_exceptions=True)

    for loops in full((0, 2), (0,)):
        with ExitStack() as stack:
            for _ in range(loops):
                loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                stack.callback(loop.kill)
            stack.enter_context(held(scene, *beside))
            done = [0 if isinstance(got, Exception) else got for _ in range(rounds) for got in asyncio.run(together())]
        said = f"{sum(done)} of {rounds * clients * len(rights)} answered beside {loops} busy loops"
        scene.show(said)
        scene.demand(sum(done) >= least * rounds * clients * len(rights), f"only {said}")


def pipeliners(scene, clients, requests, cookies_bytes, *how, **more):
    """Clients that send all their requests ahead: for ranges of 100 bytes, each with a cookie."""
    firsts = [97 * n % (len(scene.whole) - 100) for n in range(requests)]
    rights = [(206, scene.whole[first : first + 100]) for first in firsts]
    for cookie_bytes in cookies_bytes:
        sent = b"".join(request(f"{first}-{first + 99}", cookie_bytes=cookie_bytes) for first in firsts)
        all_answered(scene, clients, sent, rights, *how, **more)


def viewers(scene, clients, rounds, latest_ms):
    """So many viewers begin at the same instant, and stay until all have begun. Then they read and compare a MiB."""
    latest, right = [], (200, scene.whole[: 1 << 20])
    for _ in range(rounds):
        # With 16 KiB here, the kernel reads little ahead. It sends 4 MiB ahead at most, so files are larger.
        times, opened = first_bytes(scene.server.port, clients, request(), PATIENCE_SECONDS, receive_bytes=16 << 10)
        latest.append(1000 * max(times))
        scene.demand(NEVER not in times, f"{times.count(NEVER)} of {clients} viewers were not answered")
        scene.serves("beside the viewers")
        figures = scene.server.figures()
        for client in opened:
            with client:
                scene.demand(read_answer(client, 1 << 20) == right, "a viewer got wrong bytes, or not all")
    scene.at_most(max(latest), latest_ms, "ms", "latest first byte")
    scene.show("{:.0f} KiB of RSS and {:.0f} of heap each".format(*(figures[it] / clients / 1024 for it in ("rss", "live"))))


def load_script(scene):
    command = [ROOT / "scripts" / "load.sh", "-n", "20", scene.server.url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    scene.demand(ran.returncode == 0, f"exit code {ran.returncode}: {ran.stdout}{ran.stderr}")
    scene.show(", ".join(ran.stdout.splitlines()[1:2]))


def cpu_after_crowd(scene, clients):
    """Clients come and go. The CPU of an idle minute, and of light use, is then as before."""
    before = cpu_of_quiet_times(scene)
    times, opened = first_bytes(scene.server.port, clients, request("0-0"), PATIENCE_SECONDS)
    scene.demand(NEVER not in times, f"{times.count(NEVER)} clients were not answered")
    for client in opened:
        client.close()
    wait_until(lambda: scene.server.threads() <= scene.idle_threads)
    after = cpu_of_quiet_times(scene)
    scene.at_most(after[0], before[0] + 0.1, "%", f"CPU when idle {before[0]:.3f} %, after {clients} clients")
    # A server that walks to the highest number that it ever used takes ten times as much.
    scene.at_most(after[1], 2 * before[1] + 2, "%", f"in light use {before[1]:.2f} %, after them")


def cpu_of_quiet_times(scene):
    """Percent of a CPU when idle, and when asked 100 times a second."""
    # The threads that answered the last request end within five seconds.
    wait_until_steady(scene.server.threads, full(5.5, 0.1))
    idle = cpu_percent(scene, full(60, 0.1))
    with Bystander(scene, 0.01, kind="kept"):
        return idle, cpu_percent(scene, full(5, 0.1))


def cpu_percent(scene, seconds, look=lambda: None):
    """How much of a CPU the server uses in so many seconds, during which `look` is called again and again."""
    before, start = scene.server.cpu_seconds(), time.monotonic()
    wait_until(look, seconds)
    return 100 * (scene.server.cpu_seconds() - before) / (time.monotonic() - start)


def cpu_of_held(scene, count, sent, percent):
    """The CPU that the server takes for connections that are held, all their bytes sent."""
    with held(scene, count, sent):
        time.sleep(1)
        taken = cpu_percent(scene, full(5, 1))
    scene.at_most(taken, percent, "%", f"CPU for {count} of them, the bystander's included:")
