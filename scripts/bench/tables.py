"""The tables, a method each."""

import os
import statistics
import textwrap
from collections import defaultdict
from functools import partial

import clients
from servers import measured

MIB = 1 << 20
TO_NGINX, TO_NODE = "to nginx", "to its Node twin"


def table(*rows, note=""):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + ("\n\n" + textwrap.fill(" ".join(note.split()), 118) if note else "")


def spread(digits, figures):
    return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(statistics.median(figures), min(figures), max(figures), d=digits)


class Bench:
    def __init__(self, options, work):
        few, other = options.smoke, options.against
        self.rounds, self.other = options.rounds, other
        self.streams = [*(["other-stream"] if other else []), "heapserve-stream", "nginx", "node-stream"]
        self.modes = self.streams + [*(["other-buffer"] if other else []), "heapserve-buffer", "node-buffer"]
        self.wrk_seconds, self.volume, self.large_mib = (1, 64 * MIB, 48) if few else (4, 2048 * MIB, 256)
        self.counts, self.held, self.settle_seconds = ((1, 4), 50, 0) if few else ((1, 4, 16), 1000, 7)
        self.repeats = 1 if few else 5
        self.wrk_threads = max(1, os.cpu_count() // 2)
        self.small, self.film, self.large = work / "100.bytes", work / "40.bin", work / "large.bin"
        for file, size in ((self.small, 100), (self.film, 40 * MIB), (self.large, self.large_mib * MIB)):
            file.write_bytes(os.urandom(size))

    def measured_rows(self, file, kinds, columns, measure):
        """In each round, starts each server with the file and measures it; every round begins with the next server.
        `measure` yields the first cells of a row, and a figure for each of the columns. Of these, each has its digits,
        and what it is put in relation to. Returns the rows."""
        figures = defaultdict(list)
        for number in range(self.rounds):
            at = number % len(kinds)
            for kind in kinds[at:] + kinds[:at]:
                with measured(kind, file, self.other) as server:
                    for first_cells, row_figures in measure(server):
                        for column, figure in enumerate(row_figures):
                            figures[first_cells, kind, column].append(figure)
        rows = []
        for first_cells in dict.fromkeys(key[0] for key in figures):
            for kind in kinds:
                rows.append([*first_cells, kind])
                peers = {TO_NGINX: "nginx", TO_NODE: "node-buffer" if "buffer" in kind else "node-stream"}
                for column, (digits, *ratios) in enumerate(columns):
                    mine = figures[first_cells, kind, column]
                    rows[-1].append(spread(digits, mine))
                    for ratio in ratios:
                        others = figures[first_cells, peers[ratio], column]
                        rows[-1].append(f"{statistics.median(mine) / statistics.median(others):.2f}")
        return rows

    def one_figure(self, head, digits, file, kinds, measure, note):
        """A table with one figure for each kind of server. `measure` returns it, for one measurement or several."""
        rows = self.measured_rows(file, kinds, [(digits,)], lambda server: (((), [it]) for it in measure(server)))
        return table(head, *rows, note=note)

    def downloads(self, client, server):
        """GB/s and CPU ms per GB with each number of clients."""
        size = server.file.stat().st_size
        # So that what a server does once (threads, a compiler's work, memory from the system) is not measured.
        client(server, 2, 1)
        for count in self.counts:
            each = max(1, self.volume // size // count)
            before, seconds = server.cpu_seconds(), client(server, count, each)
            gigabytes = size * count * each / 1e9
            cpu_ms = 1000 * (server.cpu_seconds() - before)
            yield (f"{size // MIB} MiB, {count}",), (gigabytes / seconds, cpu_ms / gigabytes)

    def download_table(self, client, files, kinds, note):
        head = ["File, clients", "Server", "GB/s", TO_NGINX, TO_NODE, "CPU ms per GB", TO_NGINX, TO_NODE]
        columns = [(2, TO_NGINX, TO_NODE), (0, TO_NGINX, TO_NODE)]
        measure = partial(self.downloads, client)
        rows = [row for file in files for row in self.measured_rows(file, kinds, columns, measure)]
        return table(head, *rows, note=note)

    def throughput(self):
        return self.download_table(clients.with_curl, (self.film, self.large), self.modes, """
            CPU is the user and system time of the server's processes. Each client is a curl that has started before
            the measurement begins. curl reads at most 16 KiB at a time, so it is often the limit.""")

    def fast_clients(self):
        return self.download_table(clients.reading_mebibytes, (self.film,), [*self.modes, "nginx-copies"], """
            As above, with clients that read a mebibyte at a time. nginx lets the kernel send the file (sendfile). The
            other servers copy each byte twice: from the page cache into a buffer, and from there to the socket.""")

    def memory(self):
        def measure(server):
            return [clients.peak_mib(server, lambda: clients.with_curl(server, 20, 1, "--limit-rate", "40M"))]

        head = ["20 clients at 40 MiB, each at most 40 MB/s", "Peak memory, MiB"]
        return self.one_figure(head, 1, self.film, self.modes, measure, """
            Memory is the PSS of all processes of the server, sampled every 20 ms: the resident set, in which a page
            that processes share counts once. The kernel's socket buffers are not in it.""")

    def viewers(self):
        head = [f"{self.held} viewers held at 40 MiB", "Memory for each, KiB"]
        measure = lambda server: [clients.held_kib(server, self.held, self.settle_seconds)]
        return self.one_figure(head, 1, self.film, self.streams, measure, f"""
            A viewer has the first bytes of its answer, and reads no further. The buffer modes are not in this table:
            they would need {self.held} copies of the file.""")

    def requests(self):
        def measure(server):
            clients.with_wrk(server, 1, self.wrk_threads)
            return [((), clients.with_wrk(server, self.wrk_seconds, self.wrk_threads))]

        head = ["A file of 100 bytes, 16 connections kept alive", "Requests/s", TO_NODE, "99 % within, ms",
                "wrk's threads busy, %"]
        rows = self.measured_rows(self.small, [*self.streams, "heapserve-traced"], [(0, TO_NODE), (2,), (0,)], measure)
        return table(head, *rows, note=f"""
            heapserve-traced is heapserve-stream with its trace written to a file. wrk uses {self.wrk_threads} of the
            {os.cpu_count()} cores at most. Where it is busy nearly all of the time, the client is the limit, and the
            server could answer more.""")

    def first_byte(self):
        head = [f"{self.large_mib} MiB, one client", "First byte after, ms"]
        measure = lambda server: [clients.first_byte_ms(server) for _ in range(self.repeats)]
        return self.one_figure(head, 2, self.large, self.modes, measure, f"""
            Downloads of a server in each round, one after the other: {self.repeats}; each of them counts. The time
            begins before the connection is opened.""")
