"""
Usage: check-readme.sh
Takes the commands out of README.md and runs them: starts the two servers, asks for each address, and downloads with
curl. If another program has port 3000 or 3001, it takes two others. Then it checks that the quoted lines of the trace,
the summaries, the options and the lines of code are those of the program.
"""

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from program import ROOT, Announced, need_tools, only_help  # noqa: E402
from report import Report  # noqa: E402

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
URL = re.compile(r"http://localhost:\d+[^\s>`\")\[]*")


class Readme:
    """What the README quotes."""

    def __init__(self, text):
        self.blocks = FENCE.findall(text)
        # An address with a query in brackets is one of curl's own forms.
        self.urls = sorted({url for url in URL.findall(text) if not url.endswith("viewer=")})

    def lines(self, language, start=""):
        """The lines of all blocks in this language that start so."""
        lines = [line for name, block in self.blocks if name == language for line in block.splitlines()]
        return [line for line in lines if line.startswith(start)]


class Server(Announced):
    """A server, started by a command of the README."""

    def __init__(self, command):
        super().__init__(*command.split(), cwd=ROOT, stderr=subprocess.PIPE)

    def stop(self):
        """Ends it as Ctrl-C does: the whole group, as the terminal would. Returns what it wrote to stderr."""
        self.signal(signal.SIGINT)
        try:
            return self.process.communicate(timeout=60)[1].splitlines()
        finally:
            self.__exit__()


def shape(line):
    """A line without its figures."""
    return re.sub(r"[0-9.]+ ?([KMG]i?B?\b|bytes)?", "N", re.sub(r" {2,}", " ", line))


def status(url):
    """The status of a GET, whose body is read to its end."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            while answer.read(1 << 20):
                pass
            return answer.status
    except urllib.error.URLError as error:
        return str(error)


def are_free(*ports):
    """Whether no other program listens on any of these ports."""
    probes = [socket.socket() for _ in ports]
    taken = [probe.connect_ex(("127.0.0.1", port)) == 0 for probe, port in zip(probes, ports)]
    for probe in probes:
        probe.close()
    return not any(taken)


def run_servers(readme, first_port, check):
    """Does what "Try it" says. Returns each server's lines on stderr."""
    commands = readme.lines("", "cargo run --release -- --mode")
    if first_port != 3000:
        commands = [command if "--port" in command else f"{command} --port {first_port}" for command in commands]
    check("there are commands for two servers", len(commands) == 2, commands)
    servers = []
    try:
        servers.extend(Server(command) for command in commands)
        for url in readme.urls:
            check(f"GET {url}", status(url) == 200, status(url))
        for command in readme.lines("", "curl "):
            for port in (first_port + 1, first_port):
                asked = command.replace(f"localhost:{first_port + 1}", f"localhost:{port}")
                asked = asked.replace("curl ", "curl --no-progress-meter ", 1)
                done = subprocess.run(asked, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
                check(asked[:60] + f"… with port {port}", done.returncode == 0, done.stderr[-200:])
    finally:
        said = [server.stop() for server in servers]
    return said


def check_quotes(readme, said, check):
    """What the README quotes of the trace."""
    shapes = {shape(line) for lines in said for line in lines}
    quoted = [line for line in readme.lines("") if line.startswith("heapserve: ") or re.match(r"\[\d+\] ", line)]
    check("the trace and the summaries are quoted", len(quoted) >= 3, quoted)
    for line in quoted:
        check(f"a line like {line[:50]}…", shape(line) in shapes, f"{shape(line)!r} is none of {sorted(shapes)}")


def check_code(readme, check):
    """The lines of Rust, and the options."""
    code = "".join((ROOT / "src" / "modes" / f"{mode}.rs").read_text(encoding="utf-8") for mode in ("buffer", "stream"))
    code_lines = {line.strip() for line in code.splitlines()}
    for line in readme.lines("rust"):
        check(f"the code has {line.strip()[:60]}", line.strip() in code_lines, "it has not")
    help_text = subprocess.run(
        ["cargo", "run", "--quiet", "--release", "--", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    options = set(re.findall(r"--[a-z][a-z-]+", " ".join(re.findall(r"^ +(?:-\w, )?--.*", help_text, re.MULTILINE))))
    listed = set(re.findall(r"--[a-z][a-z-]+", "\n".join(readme.lines("", "  -") + readme.lines("", "      --"))))
    missing = options - listed - {"--help", "--version"}
    check("every option is listed", not missing and len(listed) > 5, missing)


def main():
    only_help(__doc__)
    need_tools("cargo", "curl")
    report = Report()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first_port = next(port for port in (3000, *range(3100, 9000, 100)) if are_free(port, port + 1))
    readme = Readme(text.replace("3001", str(first_port + 1)).replace("3000", str(first_port)))
    said = run_servers(readme, first_port, report.check)
    check_quotes(readme, said, report.check)
    check_code(readme, report.check)
    return report.finish()


sys.exit(main())
