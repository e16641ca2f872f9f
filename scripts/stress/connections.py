"""Connections: told apart (W12, W15), watched (W17), not opened (W19), and nobody else's."""

import json
import socket
import time
from contextlib import ExitStack, suppress

from bystander import Bystander
from client import HOST, connect, has_ended, is_answered, new_socket, read_status, request, reset, status_of, upload
from crowd import cpu_percent, held, sends
from floods import BAD
from options import full
from waiting import wait_until_steady

OTHER_HOST = "127.0.0.2"
ANY_PORT = (HOST, 0)
# An answer that has not come by then never comes. It is longer than the timeout of any server here that this matters for.
SILENT_SECONDS = 20


def strangers(scene, seconds, rounds, least):
    for n in range(rounds):
        with ExitStack() as stack:
            asking = [stack.enter_context(Bystander(scene, 0, f"127.0.0.{3 + n}")) for n in range(4)]
            announced = reuses_its_port(scene.server.port, time.monotonic() + seconds)
        right = sum(len(one.answers) for one in asking)
        wrong = [said for one in asking for said in one.wrong]
        closed = sum(one.closed for one in asking)
        scene.show(f"round {n + 1}: {announced} bodies; {right} right answers, {len(wrong)} wrong, {closed} closed")
        scene.demand(not wrong, f"{len(wrong)} answers to strangers were wrong: {wrong[:2]}")
        scene.demand(not closed, f"{closed} connections of strangers were closed")
        scene.demand(right >= least, f"strangers got {right} answers, less than {least}")


def reuses_its_port(port, until):
    """Announces a body and resets, at speed, from one port. Returns how often."""
    source, count = ANY_PORT, 0
    while time.monotonic() < until:
        client = new_socket(source=source)
        source = client.getsockname()
        with suppress(OSError):
            client.connect((HOST, port))
            client.sendall(upload(9_000_000))
            # The refusal is on its way when the port begins a new connection.
            time.sleep(0.005)
            count += 1
        reset(client)
    return count


def is_answered_on(client):
    return status_of(client, request("0-0")) == 206


def port_used_again(scene, rounds):
    # A close that the client asked for, a reset, and a close that the server decides on, at once or after an answer.
    endings = {"close": request("0-0", close=True), "reset": request(), "reset body": upload(9_000_000),
               "refusal": BAD, "late refusal": request("0-0") + BAD}
    for ending, sent in endings.items():
        # tiny_http sends these 400 by itself. The new connection may be taken for the old one, and closed.
        right = ("ended", 206) if "refusal" in ending else (206,)
        wrong = []
        for _ in range(rounds):
            first = connect(scene.server.port, source=ANY_PORT)
            # It holds the port from now on.
            again = new_socket(source=first.getsockname())
            first.sendall(sent)
            if not ending.startswith("reset"):
                read_status(first)
            # After a reset, the client's side keeps nothing of the old connection.
            reset(first)
            again.connect((HOST, scene.server.port))
            again.settimeout(SILENT_SECONDS)
            said = status_of(again, request("0-0"))
            wrong += [said] if said not in right else []
            reset(again)
            if len(wrong) > 2:
                break
        scene.demand(not wrong, f"after a {ending}, the new connection got {wrong}")


def one_client_address(scene, rounds):
    for n in range(rounds):
        other = connect(scene.server.port, OTHER_HOST, source=ANY_PORT)
        scene.demand(is_answered_on(other), f"round {n}: the other connection's first request was not answered")
        with connect(scene.server.port, HOST, source=other.getsockname()) as refused:
            sends(refused, upload(4 * 10**9))
            with suppress(OSError):  # It may have been closed already.
                refused.shutdown(socket.SHUT_WR)
            status = read_status(refused)
        scene.demand(status in (413, "ended"), f"round {n}: the refused upload got {status}")
        # Their first request gives them descriptors that a wrong close has freed. Their second finds them closed.
        with held(scene, 20, b"") as others:
            scene.demand(all(map(is_answered_on, others)), f"round {n}: a stranger's first request was not answered")
            # A request does not tell to which of the two it belongs, so both may be hung up. Neither may wait.
            ends = is_answered_on(other) or has_ended(other)
            scene.demand(ends, f"round {n}: the other is neither answered nor ended")
            scene.demand(all(map(is_answered_on, others)), f"round {n}: a stranger's second request was not answered")
        reset(other)
        if scene.wrong:
            break


def resets(scene, count):
    phases = (b"", b"GET / HT", request(), request() * 20, upload(2000) + b"x", upload(9_000_000), upload(4 * 10**9))
    for n in range(count):
        client = scene.server.connect()
        sends(client, phases[n % len(phases)])
        if n % 4 == 3 and phases[n % len(phases)] == request():
            client.recv(1000)
        reset(client)
    strange = [event for event in scene.server.events() if event["event"] not in ("listening", "request")]
    scene.demand(not strange, f"the trace has {strange[:2]}")


def idle(scene, seconds):
    """Nobody uses the server, then somebody does, and then nobody."""
    for _ in range(full(2, 1)):
        # As long as threads of the last connections end, the server may still have to do with these.
        wait_until_steady(scene.server.threads, 5.5)
        known, opened, end = sockets(scene.server.port), set(), time.monotonic() + seconds

        def look():
            while time.monotonic() < end:
                opened.update(sockets(scene.server.port))
                time.sleep(0.01)

        scene.at_most(cpu_percent(scene, look), 0.1, "%", "CPU")
        scene.demand(opened <= known, f"{len(opened - known)} sockets appeared")
        scene.demand(is_answered(scene.server.port), "a client was not answered")


def sockets(port):
    """Both addresses of each TCP socket of this port, without the listening ones."""
    found, ours = set(), f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for _, local, remote, state, *_ in map(str.split, lines):
                if state != "0A" and ours in (local[-5:], remote[-5:]):
                    found.add((local, remote))
    return found


def samples_under_load(scene, seconds):
    at_us = []
    with scene.server.connect() as reader, reader.makefile("rb") as lines, ExitStack() as stack:
        reader.sendall(request(target="/heap/events"))
        for _ in range(16):
            stack.enter_context(Bystander(scene, 0))
        end = time.monotonic() + seconds
        while time.monotonic() < end and (line := lines.readline()):
            if line.startswith(b"data: ") and (message := json.loads(line[6:]))["event"] == "sample":
                at_us.append(message["at_us"])
    scene.show(f"{1e6 * (len(at_us) - 1) / max(at_us[-1] - at_us[0], 1):.1f} samples/s")
    scene.at_most(max(later - earlier for earlier, later in zip(at_us, at_us[1:])) / 1000, 250, "ms", "apart at most")
