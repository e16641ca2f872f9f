"""Honest clients, many at a time: each must be answered, with the right bytes, whatever others do."""

import asyncio
import re
import selectors
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress

from bystander import Bystander
from client import HOST, connect, new_socket, read_answer, request
from program import ROOT
from scene import ROW_SECONDS, full
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
            if int(head.split()[1]) != status:
                break
            if body not in (None, got):
                raise RuntimeError(f"an honest client got wrong bytes: {got[:20]} instead of {body[:20]}")
            done += 1
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        if writer:
            writer.transport.abort()
    return done


def all_answered(scene, clients, sent, rights, rounds=1, beside=(0, b""), least=1):
    """So many clients talk at once, some rounds, beside connections that are held(). Every answer must be right, or
    this share of them. The full run does it again beside two loops that use a CPU each."""

    async def together():
        talks = [asyncio.create_task(talk(scene.server.port, sent, rights)) for _ in range(clients)]
        ended, _ = await asyncio.wait(talks, timeout=ROW_SECONDS / 4)
        return sum(each.result() for each in ended)

    for loops in full((0, 2), (0,)):
        with ExitStack() as stack:
            for _ in range(loops):
                loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                stack.callback(loop.kill)
            stack.enter_context(held(scene, *beside))
            done = sum(asyncio.run(together()) for _ in range(rounds))
        said = f"{done} of {rounds * clients * len(rights)} answered beside {loops} busy loops"
        scene.show(said)
        scene.demand(done >= least * rounds * clients * len(rights), f"only {said}")


def pipeliners(scene, clients, requests, cookies_bytes, *how):
    """Clients that send all their requests ahead: for ranges of 100 bytes, each with a cookie."""
    firsts = [97 * n % (len(scene.whole) - 100) for n in range(requests)]
    rights = [(206, scene.whole[first : first + 100]) for first in firsts]
    for cookie_bytes in cookies_bytes:
        sent = b"".join(request(f"{first}-{first + 99}", cookie_bytes=cookie_bytes) for first in firsts)
        all_answered(scene, clients, sent, rights, *how)


def first_bytes(scene, clients, wanted, **how):
    """Opens so many connections at the same instant, as new_socket() has it, and sends `wanted` on each. Every one must
    be answered. Returns after how many seconds the last had its first byte, and the connections, all to be read."""
    opened = [new_socket(**how) for _ in range(clients)]
    start, times = time.monotonic(), []
    with selectors.DefaultSelector() as select:
        for client in opened:
            client.setblocking(False)
            client.connect_ex((HOST, scene.server.port))
            select.register(client, selectors.EVENT_WRITE)
        while select.get_map() and time.monotonic() - start < PATIENCE_SECONDS:
            for key, event in select.select(0.5):
                client = key.fileobj
                with suppress(OSError):  # It counts as one that was not answered.
                    if event & selectors.EVENT_WRITE:
                        client.send(wanted)
                        select.modify(client, selectors.EVENT_READ)
                        continue
                    if client.recv(1, socket.MSG_PEEK):
                        times.append(time.monotonic() - start)
                select.unregister(client)
    for client in opened:
        client.settimeout(PATIENCE_SECONDS)
    scene.demand(len(times) == clients, f"{clients - len(times)} of {clients} clients were not answered")
    return max(times), opened


def viewers(scene, clients, rounds, latest_ms):
    """So many viewers begin at the same instant, and stay until all have begun. Then they read and compare a MiB."""
    latest, right = [], (200, scene.whole[: 1 << 20])
    for _ in range(rounds):
        # With 16 KiB here, the kernel reads little ahead. It sends 4 MiB ahead at most, so files are larger.
        seconds, opened = first_bytes(scene, clients, request(), receive_bytes=16 << 10)
        latest.append(1000 * seconds)
        scene.serves("beside the viewers")
        figures = scene.server.figures()
        for client in opened:
            with client:
                scene.demand(read_answer(client, 1 << 20) == right, "a viewer got wrong bytes, or not all")
    scene.at_most(max(latest), latest_ms, "ms", "latest first byte")
    rss_kib, heap_kib = (figures[name] / clients / 1024 for name in ("rss", "live"))
    scene.show(f"{rss_kib:.0f} KiB of RSS and {heap_kib:.0f} of heap each")


def load_script(scene):
    command = [ROOT / "scripts" / "load.sh", "-n", "20", scene.server.url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    scene.demand(ran.returncode == 0, f"exit code {ran.returncode}: {ran.stdout}{ran.stderr}")
    scene.show(ran.stdout.partition("\n")[0])


def idle(scene, clients):
    """An idle server, and its light use, before and after so many clients come and go."""
    idle_before, used_before = cpu_of_quiet_times(scene)
    scene.at_most(idle_before, 0.1, "%", "CPU when idle")
    for client in first_bytes(scene, clients, request("0-0"))[1]:
        client.close()
    wait_until(lambda: scene.server.threads() <= scene.idle_threads)
    idle_after, used_after = cpu_of_quiet_times(scene)
    scene.at_most(idle_after, idle_before + 0.1, "%", f"after {clients} clients")
    # A server that walks to the highest number that it ever used takes ten times as much.
    scene.at_most(used_after, 2 * used_before + 2, "%", f"CPU in light use {used_before:.2f} %, after them")


def cpu_of_quiet_times(scene):
    """Percent of a CPU when idle, and when asked 100 times a second."""
    # The threads that answered the last request end within five seconds.
    wait_until_steady(scene.server.threads, full(5.5, 0.1))
    idle_percent = cpu_percent(scene, full(60, 0.5))
    with Bystander(scene, 0.01, kind="kept") as asking:
        asking.sees(2)
        percent = cpu_percent(scene, full(5, 0.1))
        scene.demand(asking.sees(2), "a client was not answered after a pause")
    return idle_percent, percent


def cpu_percent(scene, seconds):
    """How much of a CPU the server uses in so many seconds."""
    before, start = scene.server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return 100 * (scene.server.cpu_seconds() - before) / (time.monotonic() - start)


def cpu_of_held(scene, count, sent, percent):
    """The CPU that the server takes for connections that are held, all their bytes sent."""
    with held(scene, count, sent):
        time.sleep(1)
        taken = cpu_percent(scene, full(5, 1))
    scene.at_most(taken, percent, "%", f"CPU for {count} of them, the bystander's included:")
