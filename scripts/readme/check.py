"""
Usage: check-readme.sh
Takes the commands out of README.md and runs them: starts the two servers, asks for each address, downloads with curl,
and does the same with the two Node programs. If another program has one of the ports, it takes others. Then it checks
that the quoted lines of the traces, the summaries, the options, the fields of JSON and the lines of code are those of
the programs.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack

from program import FILM, HEAPSERVE, ROOT, Announced, need_tools, only_help
from report import Report
from server import Server
from waiting import PATIENCE_SECONDS, wait_until

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
GC = re.compile(r"\[\d+:0x[0-9a-f]+\] +\d+ ms: [\w-]+ [\d.]+ \([\d.]+\) -> [\d.]+ \([\d.]+\) MB, [\d.]+ / [\d.]+ ms")
EVENT = re.compile(r"^\| `(\w+)` \| (`.*) \|$", re.MULTILINE)
URL = re.compile(r"http://localhost:\d+[^\s>`\")\[]*")


class Readme:
    """What the README quotes."""

    def __init__(self, text):
        self.text = text
        self.blocks = FENCE.findall(text)
        self.events = {event: set(re.findall(r"`(\w+)`", fields)) for event, fields in EVENT.findall(text)}
        # An address with a query in brackets is one of curl's own forms.
        self.urls = sorted({url for url in URL.findall(text) if not url.endswith("viewer=")})

    def lines(self, language, start=""):
        """The lines of all blocks in this language that start so."""
        lines = [line for name, block in self.blocks if name == language for line in block.splitlines()]
        return [line for line in lines if line.startswith(start)]


def start(command):
    """Starts a server by a command of the README, and waits until it is ready. For `with`."""
    return Announced(*command.split(), cwd=ROOT, stderr=subprocess.PIPE)


def stop(server):
    """Ends it as Ctrl-C does: the whole group, as the terminal would. Returns the lines that it wrote, but the ready line."""
    server.signal(signal.SIGINT)
    return "".join(server.process.communicate(timeout=PATIENCE_SECONDS)).splitlines()


def shape(line):
    """A line without its figures."""
    return re.sub(r"[0-9.]+ ?([KMG]i?B?\b|bytes)?", "N", re.sub(r" {2,}", " ", line))


def status(url):
    """The status of a GET, whose body is read to its end."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            answer.read()
            return answer.status
    except urllib.error.URLError as error:
        return str(error)


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def download(command, address, check):
    """Runs a curl command of the README with this host and port."""
    asked = re.sub(r"localhost:\d+", address, command).replace("curl ", "curl --no-progress-meter ", 1)
    done = subprocess.run(asked, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    check(f"{asked[:60]}… from {address}", done.returncode == 0, done.stderr[-200:])


def run_servers(readme, first_port, check):
    """Does what "Try it" says. Returns each server's lines on stderr."""
    commands = readme.lines("", "cargo run --release -- --mode")
    if first_port != 3000:
        commands = [command if "--port" in command else f"{command} --port {first_port}" for command in commands]
    check("there are commands for two servers", len(commands) == 2, commands)
    ports = (first_port + 1, first_port)

    def runs_end():
        """A request that comes before would be part of the last run."""
        for port in ports:
            ask = lambda: urllib.request.urlopen(f"http://localhost:{port}/heap.json", timeout=PATIENCE_SECONDS)
            check(f"the run ends, port {port}", wait_until(lambda: json.load(ask())["run"] is None) is not None)

    with ExitStack() as up:
        servers = [up.enter_context(start(command)) for command in commands]
        for url in readme.urls:
            check(f"GET {url}", (found := status(url)) == 200, found)
        runs_end()
        for command in readme.lines("", "curl "):
            for port in ports:
                download(command, f"localhost:{port}", check)
        runs_end()
        return [stop(server) for server in servers]


def run_node(readme, check):
    """Does the same with the programs for Node. Returns their lines."""
    said = []
    for command in readme.lines("", "node "):
        with start(f"{command.rpartition(' ')[0]} 0") as node:
            for asked in readme.lines("", "curl "):
                download(asked, node.url.split("/")[2], check)
            said.append(stop(node))
    return said


def check_quotes(readme, said, said_by_node, check):
    """What the README quotes of the traces."""
    shapes = {shape(line) for lines in said for line in lines}
    quoted = [line for line in readme.lines("") if re.match(r"heapserve: |run \d|\[\d+\] ", line)]
    check("the trace, the runs and the summaries are quoted", len(quoted) >= 4, quoted)
    for line in quoted:
        check(f"a line like {line[:50]}…", shape(line) in shapes, f"{shape(line)!r} is none of {sorted(shapes)}")
    check("a line of --trace_gc is quoted", GC.search(readme.text))
    both = len(said_by_node) == 2 and all(any(map(GC.match, lines)) for lines in said_by_node)
    check("both programs for Node trace such lines", both, said_by_node)


def check_fields(readme, check):
    """The fields of JSON. Two downloads, because a run of one request has no line."""
    with Server(HEAPSERVE, FILM) as server:
        for _ in range(2):
            status(server.url)
        wait_until(lambda: server.figures()["run"] is None)
        events = [server.figures()]
    events += server.events()
    found = {event.pop("event"): set(event) for event in events}
    check("there is an object of each event", set(found) == set(readme.events), found.keys() ^ readme.events.keys())
    for event, fields in found.items():
        # The fields of a run that goes on are named in another row.
        listed = readme.events.get(event, set()) - {"held_min", "held_max"}
        check(f"the fields of {event}", fields == listed, fields ^ listed)


def check_code(readme, check):
    """The lines of Rust, and the options."""
    code = "".join((ROOT / "src" / "modes" / f"{mode}.rs").read_text(encoding="utf-8") for mode in ("buffer", "stream"))
    code_lines = {line.strip() for line in code.splitlines()}
    for line in readme.lines("rust"):
        check(f"the code has {line.strip()[:60]}", line.strip() in code_lines, "it has not")
    help_text = subprocess.run([HEAPSERVE, "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", help_text, re.MULTILINE))
    listed = {option for line in readme.lines("", "  ") for option in re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", line)}
    check("every option is listed", options - listed == {"--help", "--version"}, options ^ listed)


def main():
    only_help(__doc__)
    need_tools("cargo", "curl", "node:nodejs")
    report = Report()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first_port = next(port for port in (3000, *range(3100, 9000, 100)) if is_free(port) and is_free(port + 1))
    readme = Readme(text.replace("3001", str(first_port + 1)).replace("3000", str(first_port)))
    check_quotes(readme, run_servers(readme, first_port, report.check), run_node(readme, report.check), report.check)
    check_fields(readme, report.check)
    check_code(readme, report.check)
    return report.finish()


sys.exit(main())
