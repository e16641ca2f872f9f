"""
Usage: check-readme.sh
Takes the commands out of README.md and runs them on free ports: starts the two servers, asks for each address,
downloads with curl, and does the same with the two Node programs. Then it checks that the quoted lines of the traces,
the summaries, the options, the fields of JSON and the lines of code are those of the programs.
"""

import re
import signal
import subprocess
import sys
from contextlib import ExitStack

from client import ask, request
from program import FILM, HEAPSERVE, ROOT, Announced, need_tools, only_help
from report import Report
from server import Server
from waiting import PATIENCE_SECONDS, wait_until

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
GC = re.compile(r"\[\d+:0x[0-9a-f]+\] +\d+ ms: [\w-]+ [\d.]+ \([\d.]+\) -> [\d.]+ \([\d.]+\) MB, [\d.]+ / [\d.]+ ms")
EVENT = re.compile(r"^\| `(\w+)` \| (`.*) \|$", re.MULTILINE)
URL = re.compile(r"http://localhost:(\d+)([^\s>`\")\[]*)")
DEFAULT_PORT = "3000"


def lines(text, language, start=""):
    """The lines of all blocks in this language that start so."""
    block_lines = [line for name, block in FENCE.findall(text) if name == language for line in block.splitlines()]
    return [line for line in block_lines if line.startswith(start)]


def start(command):
    """Starts a server by a command of the README, and waits until it is ready. For `with`."""
    return Announced(*command.split(), cwd=ROOT, stderr=subprocess.PIPE)


def stop(server):
    """Ends its whole group, as Ctrl-C does. Returns the lines that it wrote after the ready line."""
    server.signal(signal.SIGINT)
    return "".join(server.process.communicate(timeout=PATIENCE_SECONDS)).splitlines()


def shape(line):
    """A line without its figures."""
    return re.sub(r"[0-9.]+ ?([KMG]i?B?\b|bytes)?", "N", re.sub(r" {2,}", " ", line))


def download(command, port, check):
    """Runs a curl command of the README with this port."""
    asked = re.sub(r"localhost:\d+", f"localhost:{port}", command).replace("curl ", "curl --no-progress-meter ", 1)
    done = subprocess.run(asked, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    check(f"{command[:60]}… from port {port}", done.returncode == 0, done.stderr[-200:])


def run_servers(text, check):
    """Does what "Try it" says. Returns each server's lines on stderr."""
    servers = {}  # By the ports that the README gives them.

    def runs_end():
        """A request that comes before would be part of the last run."""
        for named, server in servers.items():
            ended = lambda: b'"run":null' in ask(server.port, request(close=True, target="/heap.json"))[1]
            check(f"the run ends, port {named}", wait_until(ended) is not None)

    with ExitStack() as up:
        for command in lines(text, "", "cargo run --release -- --mode"):
            option = re.search(r" --port (\d+)$|$", command)
            servers[option[1] or DEFAULT_PORT] = up.enter_context(start(f"{command[:option.start()]} --port 0"))
        check("there are commands for two servers", len(servers) == 2, servers)
        for named, path in sorted(set(URL.findall(text))):
            if not path.endswith("viewer="):  # An address with a query in brackets is one of curl's own forms.
                download(f"curl --fail --output /dev/null http://localhost:{named}{path}", servers[named].port, check)
        runs_end()
        for command in lines(text, "", "curl "):
            for server in servers.values():
                download(command, server.port, check)
        runs_end()
        return [stop(server) for server in servers.values()]


def run_node(text, check):
    """Does the same with the programs for Node. Returns their lines."""
    said = []
    for command in lines(text, "", "node "):
        with start(f"{command.rpartition(' ')[0]} 0") as node:
            for asked in lines(text, "", "curl "):
                download(asked, node.port, check)
            said.append(stop(node))
    return said


def check_quotes(text, said, said_by_node, check):
    """What the README quotes of the traces."""
    shapes = {shape(line) for server_lines in said for line in server_lines}
    quoted = [line for line in lines(text, "") if re.match(r"heapserve: |run \d|\[\d+\] ", line)]
    check("the trace, the runs and the summaries are quoted", len(quoted) >= 4, quoted)
    for line in quoted:
        check(f"a line like {line[:50]}…", shape(line) in shapes, f"{shape(line)!r} is none of {sorted(shapes)}")
    check("a line of --trace_gc is quoted", GC.search(text))
    both = len(said_by_node) == 2 and all(any(map(GC.match, node_lines)) for node_lines in said_by_node)
    check("both programs for Node trace such lines", both, said_by_node)


def check_fields(text, check):
    """The fields of JSON. Two downloads, because a run of one request has no line."""
    with Server(HEAPSERVE, FILM) as server:
        for _ in range(2):
            ask(server.port, request(close=True))
        wait_until(lambda: server.figures()["run"] is None)
        events = [server.figures()]
    events += server.events()
    found = {event.pop("event"): set(event) for event in events}
    listed = {event: set(re.findall(r"`(\w+)`", fields)) for event, fields in EVENT.findall(text)}
    check("there is an object of each event", set(found) == set(listed), found.keys() ^ listed.keys())
    for event, fields in found.items():
        # The fields of a run that goes on are named in another row.
        differ = fields ^ (listed.get(event, set()) - {"held_min", "held_max"})
        check(f"the fields of {event}", not differ, differ)


def check_code(text, check):
    """The lines of Rust, and the options."""
    code = "".join((ROOT / "src" / "modes" / f"{mode}.rs").read_text(encoding="utf-8") for mode in ("buffer", "stream"))
    code_lines = {line.strip() for line in code.splitlines()}
    for line in lines(text, "rust"):
        check(f"the code has {line.strip()[:60]}", line.strip() in code_lines, "it has not")
    option = re.compile(r"^ +(?:-\w, )?(--[a-z-]+)", re.MULTILINE)
    told = subprocess.check_output([HEAPSERVE, "--help"], text=True)
    check("the server without --port has the default one", f"[default: {DEFAULT_PORT}]" in told, told)
    options = set(option.findall(told))
    listed = set(option.findall("\n".join(lines(text, "", "  "))))
    check("every option is listed", options - listed == {"--help", "--version"}, options ^ listed)


def main():
    only_help(__doc__)
    need_tools("cargo", "curl", "node:nodejs")
    report = Report()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    said, said_by_node = run_servers(text, report.check), run_node(text, report.check)
    check_quotes(text, said, said_by_node, report.check)
    check_fields(text, report.check)
    check_code(text, report.check)
    return report.finish()


sys.exit(main())
