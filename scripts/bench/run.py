"""
Measures heapserve beside nginx and Node on this machine, and prints Markdown tables, which say how each figure is
measured. Takes about fifteen minutes. Any failed transfer ends it with an error. Needs Linux, curl, wrk, nginx, node
and python3.
"""

import argparse
import itertools
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from program import HEAPSERVE, ROOT, cargo_build, need_tools, work_folder
from server import stop_servers_on_signals
from tables import Bench


def said_by(*command):
    return subprocess.check_output(command, stderr=subprocess.STDOUT, text=True).strip()


def conditions(rounds):
    date, command = time.strftime("%Y-%m-%d", time.gmtime()), shlex.join(["scripts/bench.sh", *sys.argv[1:]])
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    machine = f"{os.cpu_count()} cores ({cpu[1] if cpu else 'unknown'}), Linux {os.uname().release.split('-')[0]}"
    nginx, node = said_by("nginx", "-v").rpartition(" ")[2], said_by("node", "--version")
    return f"""\
Measured on {date} with `{command}`: {machine}, {said_by(HEAPSERVE, "--version")}, {nginx}, Node {node}. \
Rounds: {rounds}; the median (lowest to highest).

The server under test runs alone, and is started anew for each round. Before each measurement, the script compares a
download with the file, byte for byte, and sends some requests to warm the server up. The order of the servers changes
from round to round. A transfer that fails ends the run. The clients use the same cores as the server, and nothing is
pinned to a core. All traffic is on loopback and all files are in the page cache, so neither a network nor a disk is
measured.
nginx has one worker for each core, with sendfile and tcp_nopush; "nginx-copies" is the same without sendfile. Node runs
as one process; its programs are in scripts/peers."""


def write(texts):
    """Replaces what stands after the heading "Measurements", which is the last one."""
    readme = ROOT / "scripts" / "README.md"
    head, heading, _ = readme.read_text(encoding="utf-8").partition("\n## Measurements\n\n")
    readme.write_text(head + heading + "\n\n".join(texts) + "\n", encoding="utf-8")


def read_options():
    parser = argparse.ArgumentParser(prog="bench.sh", description=__doc__)
    add = parser.add_argument
    add("--against", metavar="PROGRAM", type=Path, help="measure another heapserve as well: other-stream, -buffer")
    add("--rounds", type=int, metavar="N", help="1 to 99 rounds (default: 5)")
    add("--write", action="store_true", help="put the tables into scripts/README.md instead of printing them")
    add("--smoke", action="store_true", help="one round, and less of everything; the figures mean nothing")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.smoke else 5)
    if not 1 <= options.rounds <= 99:
        parser.error("--rounds must be a whole number from 1 to 99")
    if options.against and not options.against.is_file():
        parser.error(f"--against: {options.against} is not a file")
    if options.write and options.against:
        parser.error("--write is for this program alone; do not use --against")
    return options


def main():
    options = read_options()
    need_tools("cargo", "curl", "wrk", "nginx", "node:nodejs")
    stop_servers_on_signals()
    # heapserve and Node raise their own limit of descriptors to the hard one; nginx gets the same.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cargo_build()
    with work_folder() as work:
        bench = Bench(options, Path(work))
        tables = (bench.throughput, bench.fast_clients, bench.memory, bench.viewers, bench.requests, bench.first_byte)
        texts = itertools.chain([conditions(options.rounds)], (table() for table in tables))
        if options.write:
            write(list(texts))
        else:
            for text in texts:
                print(text, end="\n\n", flush=True)


main()
