"""Clients that do what no good client does, and what may happen to a good one: heads and bodies that stop, drip, never
end or are refused (W4, W7, W8, W18), connections that are told apart (W12, W15) and watched (W17), and shortages of
threads and descriptors (W6, W9, W10)."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, suppress

from client import HOST, ask, connect, new_socket, request, reset, status_of, upload
from crowd import held, sends
from row import NEVER, SHORT
from waiting import wait_until

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
BAD = b"GET / HTTP/1.1\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
# A close, and a body that comes late or not at all.
WITHHELD = request("0-0")[:-2] + b"Connection: x\r\nConnection: close\r\n\r\n" + upload(2000)
HTTP_2 = (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
          b"GET / HTTP/2.0\r\nHost: localhost\r\nX: " + b"x" * 62 * 1024 + b"\r\n\r\n")
ANY_PORT = (HOST, 0)
# A server that takes more than this has no bound. Attacks then stop, for the sake of the machine.
STOP_KIB = 2 << 20


def fed(row, openings, piece, pause_seconds, seconds, most_seconds=None):
    """Connections that begin so, and get a piece after each pause. Where the server ends one, the client connects
    again, for so many seconds in all; or, with `most_seconds`, all must have ended by then."""
    with ExitStack() as stack:
        begin = lambda opening: stack.enter_context(held(row, 1, opening))[0]
        still_open = {begin(opening): opening for opening in openings}
        start, took_seconds = time.monotonic(), 0
        while still_open and took_seconds < seconds and row.server.resident_kib() < STOP_KIB:
            time.sleep(pause_seconds)
            took_seconds = time.monotonic() - start
            for client, opening in list(still_open.items()):
                client.setblocking(False)
                try:
                    client.send(piece)
                except BlockingIOError:
                    pass
                except OSError:
                    del still_open[client]
                    if most_seconds is None:
                        still_open[begin(opening)] = opening
    if most_seconds is not None:
        row.demand(not still_open, f"{len(still_open)} stayed, which began with {set(still_open.values())}")
        row.at_most(took_seconds, most_seconds, "s", "the last ended after")


def slow_and_silent(row, deaf, most_seconds):
    """Idle clients, clients in a head, and viewers that do not read. The server gives the viewers up, and frees what it
    holds for them, while they are there."""
    ended = lambda: [event for event in row.server.requests() if event["status"] == 200]
    with held(row, 300, b""), held(row, 300, HEAD), held(row, deaf, request()):
        row.comes(lambda: len(ended()) >= deaf, "some of those that do not read have not ended")
        row.comes(lambda: row.server.figures()["live"] < 4 << 20, "their memory was not freed")
        outcomes = {event["outcome"] for event in ended()}
    row.demand(outcomes == {"timed_out"}, f"those that did not read ended with {outcomes}")
    row.at_most(max(event["duration_us"] for event in ended()) / 1e6, most_seconds, "s", "the last was given up after")


def crowds(row, rounds, count, sents, short_from=0, back_seconds=NEVER):
    """So many clients together, round after round, who read nothing. Somebody new is served beside them; or they need
    more threads or descriptors than the server may have, and leave when it has taken `short_from` of them. (Near the
    limit of descriptors it may accept nobody, and keep some.) Half of the clients reset their connections, half close
    in order. Then an honest viewer gets the whole file, also where the heap has little room for others."""
    used, back = row.server.threads if row.threads else row.server.descriptors, []
    for n in range(rounds):
        with held(row, count, sents[n % len(sents)]) as clients:
            if short_from:
                row.comes(lambda: used() >= short_from, f"fewer than {short_from} were in use")
            else:
                row.serves(f"beside {count} of them, round {n}")
            for client in clients[::2]:
                reset(client)
        back.append(row.serves("afterwards"))
        wait_until(lambda: used() < short_from / 2 or not short_from)
        if row.wrong:
            break
    row.at_most(max(back), back_seconds, "s", "others are answered again after at most")
    # What an answer before it has on the heap may be there for a moment.
    row.comes(lambda: ask(row.server.port, request()) == (200, row.whole), "a viewer does not get the file any more")


def sent_whole(row, count, lengths_bytes):
    """Bodies that are sent whole, with their length or as one chunk, whatever the server says meanwhile. Then the
    answer must be there to be read: to long ones, a refusal."""
    for n in range(count):
        length_bytes = lengths_bytes[n % len(lengths_bytes)]
        for head, end in (upload(length_bytes), b""), (CHUNKED + b"%x\r\n" % length_bytes, b"\r\n0\r\n\r\n"):
            with row.server.connect() as client:
                # Most clients give up where this fails, though Linux lets them read what came before the reset.
                was_sent = sends(client, head + bytes(length_bytes) + end)
                said = status_of(client)
            # The server reads on for a second, which is too short for a client on a machine that stands still.
            is_late = SHORT and not was_sent and said == "ended"
            right = 405 if length_bytes <= 8 << 20 else 413
            row.demand(is_late or said == right, f"{head} was answered with {said}; all was sent: {was_sent}")


def stopped_server(row, count, stopped_seconds):
    clients, seen = [], Counter()
    for whole, right in count * ((upload(200_000) + bytes(200_000), 405), (request("0-0"), 206)):
        clients.append((row.server.connect(), whole[len(whole) // 2 :], right))
        clients[-1][0].sendall(whole[: len(whole) // 2])
    time.sleep(0.5)
    os.kill(row.server.pid, signal.SIGSTOP)
    for client, rest, _ in clients:
        client.sendall(rest)
    time.sleep(stopped_seconds)
    os.kill(row.server.pid, signal.SIGCONT)
    for client, _, right in clients:
        with client:
            seen[f"{status_of(client)} for {right}"] += 1
    right = set(seen) == {"405 for 405", "206 for 206"}
    row.demand(right, f"what came while it was stopped was answered so: {dict(seen)}")


def port_used_again(row, rounds):
    """A new connection from the port of one that has just ended: by a close that the client asked for, by a reset, or
    by a close that the server decides on, at once or after an answer."""
    endings = {"close": request("0-0", close=True), "reset": request(), "reset body": upload(9_000_000),
               "refusal": BAD, "late refusal": request("0-0") + BAD, "reset refusal": upload(9_000_000)}
    for ending, sent in endings.items():
        # tiny_http sends the 400 by itself, and a 413 is under way: the new connection may be taken for the old one.
        right = {206, "ended"} if "refusal" in ending else {206}
        for n in range(rounds):
            first = row.server.connect(source=ANY_PORT)
            # It holds the port from now on.
            again = new_socket(source=first.getsockname())
            first.sendall(sent)
            if not ending.startswith("reset"):
                status_of(first, until_end=True)
            elif "refusal" in ending:
                time.sleep(0.005)
            # After a reset, the client's side keeps nothing of the old connection.
            reset(first)
            again.connect((HOST, row.server.port))
            got = status_of(again, request("0-0"))
            reset(again)
            row.demand(got in right, f"after a {ending}, the new connection got {got}")
            if n % 10 == 0:
                row.others_see(5)


def one_client_address(row, rounds):
    for _ in range(rounds):
        with connect(row.server.port, "127.0.0.2", source=ANY_PORT) as other:
            first = status_of(other, request("0-0"))
            with row.server.connect(source=other.getsockname()) as refused:
                refusal = status_of(refused, upload(4 * 10**9), until_end=True)
            # A request does not tell to which of the two it belongs, so both may be hung up. Neither may wait.
            second = status_of(other, request("0-0"))
            reset(other)
        right = first == 206 and refusal in (413, "ended") and second in (206, "ended")
        row.demand(right, f"one connection got {first} and {second}, the refused one {refusal}")


def resets(row, count):
    phases = (b"", b"GET / HT", request(), request() * 20, upload(2000) + b"x", upload(9_000_000), upload(4 * 10**9))
    for n in range(count):
        client, sent = row.server.connect(), phases[n % len(phases)]
        sends(client, sent)
        if n % 4 == 3 and sent == request():
            client.recv(1000)
        reset(client)


def samples(row, seconds):
    page = ["curl", "-q", "--silent", "--no-buffer", "--max-time", str(seconds), f"{row.server.url}heap/events"]
    said = subprocess.run(page, capture_output=True, text=True, check=False).stdout
    # What is recorded before the load has fewer of them.
    at_us = [int(us) for us in re.findall('"event":"sample".*?"at_us":([0-9]+)', said.partition('"now"')[2])]
    apart_us = max(later - earlier for earlier, later in zip(at_us, at_us[1:]))
    row.at_most(apart_us / 1000, 250, "ms", f"{len(at_us)} samples, apart at most")


def http_2(row, count):
    """Clients speak HTTP/2.0, which tiny_http never answers: they are hung up, and the trace tells of lost threads.
    Under few descriptors nobody new is then served, because only tiny_http could close what they hold."""
    with held(row, 10, HTTP_2[0]) as short, held(row, 10, HTTP_2[2]) as long:
        for n in range(count - 20):
            with suppress(OSError), row.server.connect() as client:
                sends(client, HTTP_2[n % 3])
        ends = {status_of(client, until_end=True) for client in short + long}
        row.demand(ends == {"ended"}, f"some of them are not hung up, but: {ends}")
    row.others_see(100)
    # Where many threads are lost, the trace says so a second later, and again only when they have doubled.
    warnings = lambda: sum(event["event"] == "warning" for event in row.server.events())
    # Some of them still end.
    row.comes(lambda: row.more("threads") < 110 or warnings(), "no warning tells of the threads that are lost")
    row.show(f"{row.more('threads')} threads are lost, {warnings()} warnings")
    row.demand(warnings() <= 12, f"{warnings()} warnings are too many")
