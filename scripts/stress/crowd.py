"""Many clients at a time: honest ones, who must be answered with the right bytes whatever others do, and what any of
them cost the server."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager, suppress

from client import HOST, connect, new_socket, read_answer, request
from program import ROOT
from row import ROW_SECONDS, full
from waiting import PATIENCE_SECONDS


def sends(client, sent):
    """Sends it. Returns whether the connection was still there, and took it."""
    try:
        client.sendall(sent)
        return True
    except OSError:
        return False


@contextmanager
def held(row, count, sent):
    """So many connections that send this, read nothing, and stay for the block. The server may end them. The end of the
    block resets those that have something to read."""
    with ExitStack() as stack:
        clients = []
        for n in range(count):
            # Each address has 28,000 ports.
            source = (f"127.0.1.{1 + n % 100}", 0)
            clients.append(stack.enter_context(connect(row.server.port, receive_bytes=4096, source=source)))
            sends(clients[-1], sent)
        yield clients


async def talk(port, sent, rights):
    """One client: sends everything and reads meanwhile. Returns how many of its answers were right, one after the
    other. `rights` are pairs of a status and a body; any body is right where it is None."""
    done = 0
    with suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(HOST, port)
        with closing(writer):
            writer.write(sent)
            for status, body in rights:
                head = await reader.readuntil(b"\r\n\r\n")
                got = await reader.readexactly(int(re.search(rb"(?im)^content-length: *(\d+)", head)[1]))
                if int(head.split()[1]) != status:
                    break
                if body not in (None, got):
                    raise RuntimeError(f"an honest client got wrong bytes: {got[:20]} instead of {body[:20]}")
                done += 1
    return done


def all_answered(row, clients, sent, rights, rounds=1, beside=(0, b"")):
    """So many clients talk at once, some rounds, beside connections that are held(). Every answer must be right. The
    full run does it again beside two loops that use a CPU each."""

    async def together():
        talks = [asyncio.create_task(talk(row.server.port, sent, rights)) for _ in range(clients)]
        ended, _ = await asyncio.wait(talks, timeout=ROW_SECONDS / 4)
        return sum(each.result() for each in ended)

    for loops in full((0, 2), (0,)):
        with ExitStack() as stack:
            for _ in range(loops):
                loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                stack.callback(loop.kill)
            stack.enter_context(held(row, *beside))
            done = sum(asyncio.run(together()) for _ in range(rounds))
        said = f"{done} of {rounds * clients * len(rights)} answered beside {loops} busy loops"
        row.show(said)
        row.demand(done == rounds * clients * len(rights), f"only {said}")


def pipeliners(row, clients, requests, cookies_bytes, *how):
    """Clients that send all their requests ahead: for ranges of 100 bytes, each with a cookie."""
    firsts = [97 * n % (len(row.whole) - 100) for n in range(requests)]
    rights = [(206, row.whole[first : first + 100]) for first in firsts]
    for cookie_bytes in cookies_bytes:
        sent = b"".join(request(f"{first}-{first + 99}", cookie_bytes=cookie_bytes) for first in firsts)
        all_answered(row, clients, sent, rights, *how)


def viewers(row, clients, rounds, latest_ms):
    """So many viewers begin at the same instant, and stay until all have begun. Then they read and compare a MiB."""
    latest, right = [], (200, row.whole[: 1 << 20])
    for _ in range(rounds):
        with ExitStack() as stack:
            # With 16 KiB here, the kernel reads little ahead. It sends 4 MiB ahead at most, so files are larger.
            opened = [stack.enter_context(new_socket(receive_bytes=16 << 10)) for _ in range(clients)]
            start = time.monotonic()
            for client in opened:
                client.setblocking(False)
                client.connect_ex((HOST, row.server.port))
            for client in opened:
                client.settimeout(PATIENCE_SECONDS)
                client.sendall(request())
            begun = sum(bool(client.recv(1, socket.MSG_PEEK)) for client in opened)
            latest.append(1000 * (time.monotonic() - start))
            row.demand(begun == clients, f"{clients - begun} of {clients} viewers were not answered")
            row.serves("beside the viewers")
            for client in opened:
                row.demand(read_answer(client, 1 << 20) == right, "a viewer got wrong bytes, or not all")
    row.at_most(max(latest), latest_ms, "ms", "latest first byte")


def load_script(row):
    command = [ROOT / "scripts" / "load.sh", "-n", "20", row.server.url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    row.demand(ran.returncode == 0, f"exit code {ran.returncode}: {ran.stdout}{ran.stderr}")
    row.show(ran.stdout.partition("\n")[0])


def cpu_of_next(row, seconds, percent, what):
    """The CPU that the server takes in the next seconds."""
    before_seconds = row.server.cpu_seconds()
    time.sleep(seconds)
    row.at_most(100 * (row.server.cpu_seconds() - before_seconds) / seconds, percent, "%", f"CPU {what}")


def cpu_of_held(row, count, sent, percent):
    """Connections that are held, all their bytes sent."""
    with held(row, count, sent):
        time.sleep(1)
        cpu_of_next(row, full(5, 1), percent, f"for {count} of them, the bystander's included:")


def cpu_of_leavers(row, count, sent, stay_asks, most_ms, idle=0):
    """Clients that come one by one, beside so many idle ones, stay for so many asks of the bystander, and leave without
    reading. What the server does soon after it counts as well."""
    with held(row, idle, b""):
        row.others_see(100)
        before_seconds = row.server.cpu_seconds()
        for _ in range(count):
            with held(row, 1, sent):
                row.others_see(stay_asks)
        time.sleep(full(3, 0.5))
        used_ms = 1000 * (row.server.cpu_seconds() - before_seconds)
    row.at_most(used_ms / count, most_ms, "ms", "CPU for each, the bystander's included:")


def cpu_of_after(row, count, percent, seconds):
    """So many clients are answered, all there at the same time. When they have left, nothing of them is."""
    with held(row, count, request("0-0")) as clients:
        right = sum(read_answer(client)[0] == 206 for client in clients)
    row.demand(right == count, f"only {right} of {count} were answered")
    # Threads that have nothing to do end within five seconds.
    time.sleep(full(6, 0.5))
    cpu_of_next(row, seconds, percent, f"after {count} clients")
