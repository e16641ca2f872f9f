"""The tables, a method each, and the one of two versions."""

import json
import os
import statistics
import subprocess
import time

import clients
from client import request
from program import HEAPSERVE, ROOT, TARGET, cargo_build
from server import Server
from servers import Measured

MIB = 1 << 20
TABLES = ("throughput", "fast_clients", "memory", "viewers", "requests", "first_byte", "program")
STREAMS = ["heapserve-stream", "nginx", "node-stream"]
MODES = [*STREAMS, "heapserve-buffer", "node-buffer"]


def table(*rows, note=""):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + (f"\n\n{note}" if note else "")


class Bench:
    def __init__(self, options, work):
        self.rounds, self.smoke, self.work = options.rounds, options.smoke, work
        few = options.smoke
        self.wrk_seconds, self.volume, self.large_mib = (1, 64 * MIB, 48) if few else (4, 2048 * MIB, 256)
        self.counts, self.held, self.settle_seconds = ((1, 4), 50, 0) if few else ((1, 4, 16), 1000, 7)
        self.repeats, self.bursts = (1, (50, 200)) if few else (5, (500, 2000))
        self.wrk_threads = max(1, os.cpu_count() // 2)
        self.programs, self.figures = {}, {}
        self.small, self.film, self.large = (
            self.file(name, size) for name, size in (("100.bytes", 100), ("40.bin", 40 * MIB), ("large.bin", self.large_mib * MIB))
        )

    def file(self, name, size):
        (self.work / name).write_bytes(os.urandom(size))
        return self.work / name

    def record(self, figure, *measure):
        self.figures.setdefault(measure, []).append(figure)

    def median(self, *measure):
        return statistics.median(self.figures[measure])

    def shown(self, digits, *measure):
        return spread(digits, self.figures[measure])

    def in_turn(self, file, kinds, measure):
        """In each round, starts each server with the file and measures it. Every round begins with the next server."""
        for number in range(self.rounds):
            at = number % len(kinds)
            for kind in kinds[at:] + kinds[:at]:
                with Measured(kind, file, self.work, self.programs) as server:
                    measure(server)

    def downloads(self, client, name):
        """Measures GB/s and CPU ms per GB with each number of clients."""
        def measure(server):
            size = server.file.stat().st_size
            # So that what a server does once (threads, a compiler's work, memory from the system) is not measured.
            client(server, 2, 1, self.work)
            for count in self.counts:
                each = max(1, self.volume // size // count)
                before_ms, seconds = server.cpu_ms(), client(server, count, each, self.work)
                gigabytes = size * count * each / 1e9
                self.record(gigabytes / seconds, name, size, count, server.kind, "speed")
                self.record((server.cpu_ms() - before_ms) / gigabytes, name, size, count, server.kind, "cpu")

        return measure

    def download_table(self, client, name, files, kinds, note):
        rows = [["File, clients", "Server", "GB/s", "to nginx", "to its Node twin", "CPU ms per GB", "to nginx", "to its Node twin"]]
        for file in files:
            self.in_turn(file, kinds, self.downloads(client, name))
            size = file.stat().st_size
            for count in self.counts:
                for kind in kinds:
                    row = [f"{size // MIB} MiB, {count}", kind]
                    for what, digits in (("speed", 2), ("cpu", 0)):
                        ratios = [self.median(name, size, count, kind, what) / self.median(name, size, count, other, what)
                                  for other in ("nginx", "node-buffer" if "buffer" in kind else "node-stream")]
                        row += [self.shown(digits, name, size, count, kind, what), *(f"{ratio:.2f}" for ratio in ratios)]
                    rows.append(row)
        return table(*rows, note=note)

    def throughput(self):
        return self.download_table(
            clients.with_curl, "curl", (self.film, self.large), [*STREAMS, "python", "heapserve-buffer", "node-buffer"],
            "CPU is the user and system time of the server's processes. Each client is a curl that has started before the\n"
            "measurement begins. curl reads at most 16 KiB at a time, so it is often the limit.",
        )

    def fast_clients(self):
        return self.download_table(
            clients.reading_mebibytes, "fast", (self.film,), [*STREAMS, "nginx-copies", "heapserve-buffer", "node-buffer"],
            "As above, with clients that read a mebibyte at a time. nginx lets the kernel send the file (sendfile). The other\n"
            "servers copy each byte twice: from the page cache into a buffer, and from there to the socket.",
        )

    def memory(self):
        def measure(server):
            action = lambda: clients.with_curl(server, 20, 1, self.work, "--limit-rate", "40M")  # noqa: E731
            self.record(clients.peak_mib(server, action), server.kind, "peak")

        self.in_turn(self.film, MODES, measure)
        return table(
            ["20 clients at 40 MiB, each at most 40 MB/s", "Peak memory, MiB"], *([kind, self.shown(1, kind, "peak")] for kind in MODES),
            note="Memory is the PSS of all processes of the server, sampled every 20 ms: the resident set, in which a page that\n"
            "processes share counts once. The kernel's socket buffers are not in it. Python is not in this table.",
        )

    def measure_held(self, server):
        self.record(clients.held_kib(server, self.held, self.settle_seconds), server.kind, "held")

    def viewers(self):
        self.in_turn(self.film, STREAMS, self.measure_held)
        return table(
            [f"{self.held} viewers held at 40 MiB", "Memory for each, KiB"], *([kind, self.shown(1, kind, "held")] for kind in STREAMS),
            note="A viewer has the first bytes of its answer, and reads no further. The buffer modes are not in this table: they\n"
            f"would need {self.held} copies of the file.",
        )

    def measure_requests(self, server, header=None):
        clients.with_wrk(server, 1, self.wrk_threads, header)
        for what, figure in zip(("rps", "p99", "busy"), clients.with_wrk(server, self.wrk_seconds, self.wrk_threads, header)):
            self.record(figure, server.kind, what)

    def requests(self):
        kinds = ["heapserve-stream", "traced-stream", "nginx", "node-stream"]
        self.in_turn(self.small, kinds, self.measure_requests)
        rows = [["A file of 100 bytes, 16 connections kept alive", "Requests/s", "to Node", "99 % within, ms", "wrk's threads busy, %"]]
        for kind in kinds:
            ratio = self.median(kind, "rps") / self.median("node-stream", "rps")
            rows.append([kind.replace("traced-stream", "heapserve-stream, trace to a file"), self.shown(0, kind, "rps"),
                         f"{ratio:.2f}", self.shown(2, kind, "p99"), self.shown(0, kind, "busy")])
        cost = 100 * (1 - self.median("traced-stream", "rps") / self.median("heapserve-stream", "rps"))
        return table(
            *rows, note=f"The trace costs {cost:.1f} % of the requests per second. wrk uses {self.wrk_threads} of the {os.cpu_count()} cores at most.\n"
            "Where it is busy nearly all of the time, the client is the limit, and the server could answer more. Python is not in\n"
            "this table: its http.server closes every connection.",
        )

    def first_byte(self):
        def measure(server):
            for _ in range(self.repeats):
                wanted = request(target=f"/{server.file.name}")
                self.record(clients.slowest_first_byte_ms(server, 1, wanted), server.kind, "first")

        self.in_turn(self.large, MODES, measure)
        return table(
            [f"{self.large_mib} MiB, one client", "First byte after, ms"], *([kind, self.shown(2, kind, "first")] for kind in MODES),
            note=f"Downloads of a server in each round, one after the other: {self.repeats}; each of them counts. The time begins before\n"
            "the connection is opened. Python is not in this table.",
        )

    def program(self):
        self.compile_allocator()
        for _ in range(self.rounds):
            for _ in range(self.repeats):
                start = time.perf_counter()
                server = Server(HEAPSERVE, self.small, trace="off")
                self.record(1000 * (time.perf_counter() - start), "ready")
                server.kill()
            for kind in ("counting", "system"):
                done = subprocess.run([self.work / kind], stdout=subprocess.PIPE, text=True, check=True)
                self.record(float(done.stdout), kind)
        allocation = "one 64-byte allocation and its release, ns, with"
        rows = [[f"from its start to its ready line, ms, {self.repeats} in each round", self.shown(2, "ready")],
                ["release binary, stripped, KiB", str(HEAPSERVE.stat().st_size // 1024)],
                [f"{allocation} the counting allocator", self.shown(1, "counting")],
                [f"{allocation} the system's allocator alone", self.shown(1, "system")]]
        if not self.smoke:
            start = time.perf_counter()
            cargo_build(ROOT, self.work / "build")
            rows.append(["clean release build, s, one build", f"{time.perf_counter() - start:.0f}"])
        return table(["The program itself", ""], *rows)

    def compile_allocator(self):
        """cargo says which of the libraries in the target folder belongs to this build."""
        built = [json.loads(line) for line in cargo_build(ROOT, TARGET, "--message-format", "json").splitlines()]
        library = next(name for each in built if each.get("target", {}).get("name") == "stats_alloc"
                       for name in each["filenames"] if name.endswith(".rlib"))
        for kind in ("counting", "system"):
            subprocess.run(
                ["rustc", "--edition", "2024", "-C", "opt-level=3", "-C", "lto=fat", "--cfg", kind, "-A", "unexpected_cfgs", "-L",
                 TARGET / "release" / "deps", "--extern", f"stats_alloc={library}", "-o", self.work / kind,
                 ROOT / "scripts" / "bench" / "allocator.rs"], check=True,
            )

    def against(self):
        """The program of another commit ("before") beside this one ("now"). The last column is the median of the ratios of
        each round, since the machine's other load differs from round to round."""
        rows, quiet, size = [["", "before", "now", "now / before"]], ["before-off", "now-off"], self.film.stat().st_size

        def add(label, digits, measure):
            before, now = (self.figures[measure(kind)] for kind in ("before", "now"))
            rows.append([label, spread(digits, before), spread(digits, now), spread(3, [new / old for old, new in zip(before, now)])])

        kinds = [f"{version}-{trace}" for trace in ("off", "file", "null") for version in ("before", "now")]
        self.in_turn(self.film, kinds, lambda server: self.measure_requests(server, "Range: bytes=1000-1099"))
        for trace, said in (("off", "no trace"), ("file", "text trace to a file"), ("null", "text trace to /dev/null")):
            add(f"requests/s of 100 bytes, 16 connections kept alive, {said}", 0, lambda kind: (f"{kind}-{trace}", "rps"))
        for name, client in (("curl", clients.with_curl), ("fast", clients.reading_mebibytes)):
            self.in_turn(self.film, quiet, self.downloads(client, name))
            for count in self.counts:
                for what, digits, unit in (("speed", 2, "GB/s"), ("cpu", 0, "CPU ms per GB")):
                    add(f"{unit}, 40 MiB, {name} clients: {count}", digits, lambda kind: (name, size, count, f"{kind}-off", what))
        self.in_turn(self.film, quiet, self.measure_held)
        add(f"memory (PSS) of a held viewer, KiB, of {self.held}", 1, lambda kind: (f"{kind}-off", "held"))
        for count in self.bursts:
            self.in_turn(self.film, quiet, lambda server: self.measure_burst(server, count))
            add(f"slowest of {count} connections at once, ms, 2 bursts a round", 0, lambda kind: (f"{kind}-off", count))
        return table(*rows)

    def measure_burst(self, server, count):
        for number in range(3):  # The first one warms the server up.
            took_ms = clients.slowest_first_byte_ms(server, count, request("0-99"))
            if number:
                self.record(took_ms, server.kind, count)


def spread(digits, figures):
    return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(statistics.median(figures), min(figures), max(figures), d=digits)
