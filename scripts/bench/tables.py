"""The tables, a method each."""

import os
import statistics
import subprocess
import textwrap
import time
from collections import defaultdict
from functools import partial

import clients
from program import HEAPSERVE, ROOT, TARGET, cargo_build
from server import Server
from servers import measured

MIB = 1 << 20
TABLES = ("throughput", "fast_clients", "memory", "viewers", "requests", "first_byte", "program")
RATIOS = ["to nginx", "to its Node twin"]


def table(*rows, note=""):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + ("\n\n" + textwrap.fill(" ".join(note.split()), 118) if note else "")


def spread(digits, figures):
    return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(statistics.median(figures), min(figures), max(figures), d=digits)


def ratio(figures, others):
    return statistics.median(figures) / statistics.median(others)


class Bench:
    def __init__(self, options, work):
        few, other = options.smoke, options.against
        self.rounds, self.smoke, self.work, self.other = options.rounds, few, work, other
        self.streams = [*(["other-stream"] if other else []), "heapserve-stream", "nginx", "node-stream"]
        self.modes = self.streams + [*(["other-buffer"] if other else []), "heapserve-buffer", "node-buffer"]
        self.wrk_seconds, self.volume, self.large_mib = (1, 64 * MIB, 48) if few else (4, 2048 * MIB, 256)
        self.counts, self.held, self.settle_seconds = ((1, 4), 50, 0) if few else ((1, 4, 16), 1000, 7)
        self.repeats = 1 if few else 5
        self.wrk_threads = max(1, os.cpu_count() // 2)
        self.small, self.film, self.large = work / "100.bytes", work / "40.bin", work / "large.bin"
        for file, size in ((self.small, 100), (self.film, 40 * MIB), (self.large, self.large_mib * MIB)):
            file.write_bytes(os.urandom(size))

    def in_turn(self, file, kinds, measure):
        """In each round, starts each server with the file and measures it: `measure` yields names and figures. Every
        round begins with the next server. Returns the figures of each kind by their names."""
        figures = {kind: defaultdict(list) for kind in kinds}
        for number in range(self.rounds):
            at = number % len(kinds)
            for kind in kinds[at:] + kinds[:at]:
                with measured(kind, file, self.other) as server:
                    for name, figure in measure(server):
                        figures[kind][name].append(figure)
        return figures

    def by_kind(self, head, digits, file, kinds, measure, note):
        """A table with one figure for each kind of server."""
        figures = self.in_turn(file, kinds, lambda server: (("it", figure) for figure in measure(server)))
        return table(head, *([kind, spread(digits, figures[kind]["it"])] for kind in kinds), note=note)

    def downloads(self, client, server):
        """GB/s and CPU ms per GB with each number of clients."""
        size = server.file.stat().st_size
        # So that what a server does once (threads, a compiler's work, memory from the system) is not measured.
        client(server, 2, 1)
        for count in self.counts:
            each = max(1, self.volume // size // count)
            before, seconds = server.cpu_seconds(), client(server, count, each)
            gigabytes = size * count * each / 1e9
            yield (count, "speed"), gigabytes / seconds
            yield (count, "cpu"), 1000 * (server.cpu_seconds() - before) / gigabytes

    def download_table(self, client, files, more_kinds, note):
        kinds = self.streams + more_kinds + self.modes[len(self.streams):]
        rows = [["File, clients", "Server", "GB/s", *RATIOS, "CPU ms per GB", *RATIOS]]
        for file in files:
            figures = self.in_turn(file, kinds, partial(self.downloads, client))
            for count in self.counts:
                for kind in kinds:
                    row = [f"{file.stat().st_size // MIB} MiB, {count}", kind]
                    others = [figures["nginx"], figures["node-buffer" if "buffer" in kind else "node-stream"]]
                    for what, digits in (((count, "speed"), 2), ((count, "cpu"), 0)):
                        mine = figures[kind][what]
                        row += [spread(digits, mine), *(f"{ratio(mine, other[what]):.2f}" for other in others)]
                    rows.append(row)
        return table(*rows, note=note)

    def throughput(self):
        return self.download_table(clients.with_curl, (self.film, self.large), ["python"], """
            CPU is the user and system time of the server's processes. Each client is a curl that has started before
            the measurement begins. curl reads at most 16 KiB at a time, so it is often the limit.""")

    def fast_clients(self):
        return self.download_table(clients.reading_mebibytes, (self.film,), ["nginx-copies"], """
            As above, with clients that read a mebibyte at a time. nginx lets the kernel send the file (sendfile). The
            other servers copy each byte twice: from the page cache into a buffer, and from there to the socket.""")

    def memory(self):
        def measure(server):
            yield clients.peak_mib(server, lambda: clients.with_curl(server, 20, 1, "--limit-rate", "40M"))

        head = ["20 clients at 40 MiB, each at most 40 MB/s", "Peak memory, MiB"]
        return self.by_kind(head, 1, self.film, self.modes, measure, """
            Memory is the PSS of all processes of the server, sampled every 20 ms: the resident set, in which a page
            that processes share counts once. The kernel's socket buffers are not in it. Python is not in this
            table.""")

    def viewers(self):
        def measure(server):
            yield clients.held_kib(server, self.held, self.settle_seconds)

        head = [f"{self.held} viewers held at 40 MiB", "Memory for each, KiB"]
        return self.by_kind(head, 1, self.film, self.streams, measure, f"""
            A viewer has the first bytes of its answer, and reads no further. The buffer modes are not in this table:
            they would need {self.held} copies of the file.""")

    def requests(self):
        def measure(server):
            clients.with_wrk(server, 1, self.wrk_threads)
            return zip(("rate", "99 %", "busy"), clients.with_wrk(server, self.wrk_seconds, self.wrk_threads))

        kinds = [*self.streams[:-2], "traced-stream", *self.streams[-2:]]
        figures = self.in_turn(self.small, kinds, measure)
        rates = {kind: figures[kind]["rate"] for kind in kinds}
        cost = 100 * (1 - ratio(rates["traced-stream"], rates["heapserve-stream"]))
        rows = [["A file of 100 bytes, 16 connections kept alive", "Requests/s", "to Node", "99 % within, ms",
                 "wrk's threads busy, %"]]
        for kind in kinds:
            rows.append([kind.replace("traced-stream", "heapserve-stream, trace to a file"), spread(0, rates[kind]),
                         f"{ratio(rates[kind], rates['node-stream']):.2f}", spread(2, figures[kind]["99 %"]),
                         spread(0, figures[kind]["busy"])])
        return table(*rows, note=f"""
            The trace costs {cost:.1f} % of the requests per second. wrk uses {self.wrk_threads} of the {os.cpu_count()}
            cores at most. Where it is busy nearly all of the time, the client is the limit, and the server could answer
            more. Python is not in this table: its http.server closes every connection.""")

    def first_byte(self):
        def measure(server):
            for _ in range(self.repeats):
                yield clients.first_byte_ms(server)

        head = [f"{self.large_mib} MiB, one client", "First byte after, ms"]
        return self.by_kind(head, 2, self.large, self.modes, measure, f"""
            Downloads of a server in each round, one after the other: {self.repeats}; each of them counts. The time
            begins before the connection is opened. Python is not in this table.""")

    def program(self):
        figures = defaultdict(list)
        for _ in range(self.rounds * self.repeats):
            start = time.perf_counter()
            with Server(HEAPSERVE, self.small, trace="off"):
                figures["ready"].append(1000 * (time.perf_counter() - start))
        for kind in ("counting", "system"):
            self.compile_allocator(kind)
        for kind in ("counting", "system") * self.rounds:
            done = subprocess.run([self.work / kind], stdout=subprocess.PIPE, text=True, check=True)
            figures[kind].append(float(done.stdout))
        allocation = "one 64-byte allocation and its release, ns, with"
        rows = [["The program itself", ""],
                [f"from its start to its ready line, ms, {self.repeats} in each round", spread(2, figures["ready"])],
                ["release binary, stripped, KiB", str(HEAPSERVE.stat().st_size // 1024)],
                [f"{allocation} the counting allocator", spread(1, figures["counting"])],
                [f"{allocation} the system's allocator alone", spread(1, figures["system"])]]
        if not self.smoke:
            start = time.perf_counter()
            cargo_build(self.work / "build")
            rows.append(["clean release build, s, one build", f"{time.perf_counter() - start:.0f}"])
        return table(*rows)

    def compile_allocator(self, kind):
        """Makes the program `kind`, with the newest of the libraries of earlier builds."""
        deps = TARGET / "release" / "deps"
        library = max(deps.glob("libstats_alloc-*.rlib"), key=lambda path: path.stat().st_mtime)
        subprocess.run(["rustc", "--edition", "2024", "-C", "opt-level=3", "-C", "lto=fat", "--cfg", kind, "-L", deps,
                        "-A", "unexpected_cfgs", "--extern", f"stats_alloc={library}", "-o", self.work / kind,
                        ROOT / "scripts" / "bench" / "allocator.rs"], check=True)
