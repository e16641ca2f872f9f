"""Runs the README's commands, and holds what it quotes against the program: one line per check.

    check.py FOLDER_OF_THE_README
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

PATIENCE_SECONDS = 600
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
URL = re.compile(r"http://localhost:\d+[^\s>`\")\[]*")


class Readme:
    """The README's text, and what it quotes."""

    def __init__(self, text):
        self.blocks = FENCE.findall(text)
        # An address with a query in brackets is one of curl's own forms.
        self.urls = sorted({url for url in URL.findall(text) if not url.endswith("viewer=")})

    def lines(self, language, start=""):
        """The lines of all blocks in this language that start so."""
        lines = [line for name, block in self.blocks if name == language for line in block.splitlines()]
        return [line for line in lines if line.startswith(start)]


class Server:
    """A server, started by a command of the README."""

    def __init__(self, root, command):
        self.process = subprocess.Popen(
            command.split(), cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        ready = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)[0]
        self.ready_line = self.process.stdout.readline() if ready else ""
        if not self.ready_line.startswith("heapserve: "):
            self.stop()
            raise RuntimeError(f"{command}: no ready line, but {self.ready_line!r}")

    def stop(self):
        """Ends it as Ctrl-C does; what it wrote to stderr."""
        # cargo hands the signal on only if it comes from the terminal, that is, to the group.
        children = subprocess.run(
            ["pgrep", "--parent", str(self.process.pid)], stdout=subprocess.PIPE, text=True, check=False
        ).stdout.split()
        for pid in children or [self.process.pid]:
            os.kill(int(pid), signal.SIGINT)
        try:
            return self.process.communicate(timeout=60)[1].splitlines()
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[1].splitlines()


def shape(line):
    """A line without its figures."""
    return re.sub(r"[0-9.]+ ?([KMG]i?B?\b|bytes)?", "N", re.sub(r" {2,}", " ", line))


def status(url):
    """The status of a GET, whose body is read to its end."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
            while answer.read(1 << 20):
                pass
            return answer.status
    except urllib.error.URLError as error:
        return str(error)


def are_free(ports):
    """Whether no other program listens on any of these ports."""
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


def with_free_ports(text):
    """The README's text, with two other ports in place of 3000 and 3001 if another program has one of these."""
    first = next(port for port in (3000, *range(3100, 9000, 100)) if are_free((port, port + 1)))
    return text.replace("3001", str(first + 1)).replace("3000", str(first)), first


def run_servers(root, readme, first_port, check):
    """Does what "Try it" says. Each server's lines on stderr."""
    commands = readme.lines("", "cargo run --release -- --mode")
    if first_port != 3000:
        commands = [command if "--port" in command else f"{command} --port {first_port}" for command in commands]
    check("there are commands for two servers", len(commands) == 2, commands)
    servers = []
    try:
        servers.extend(Server(root, command) for command in commands)
        for url in readme.urls:
            answered = status(url)
            check(f"GET {url}", answered == 200, answered)
        for command in readme.lines("", "curl "):
            for port in (first_port + 1, first_port):
                asked = command.replace(f"localhost:{first_port + 1}", f"localhost:{port}")
                asked = asked.replace("curl ", "curl --no-progress-meter ", 1)
                done = subprocess.run(asked, shell=True, cwd=root, capture_output=True, text=True, check=False)
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


def check_code(root, readme, check):
    """The lines of Rust, and the options."""
    code = ""
    for mode in ("buffer", "stream"):
        with open(os.path.join(root, "src", "modes", f"{mode}.rs"), encoding="utf-8") as file:
            code += file.read()
    code_lines = {line.strip() for line in code.splitlines()}
    for line in readme.lines("rust"):
        check(f"the code has {line.strip()[:60]}", line.strip() in code_lines, "it has not")
    help_text = subprocess.run(
        ["cargo", "run", "--quiet", "--release", "--", "--help"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    options = set(re.findall(r"--[a-z][a-z-]+", " ".join(re.findall(r"^ +(?:-\w, )?--.*", help_text, re.MULTILINE))))
    listed = set(re.findall(r"--[a-z][a-z-]+", "\n".join(readme.lines("", "  -") + readme.lines("", "      --"))))
    missing = options - listed - {"--help", "--version"}
    check("every option is listed", not missing and len(listed) > 5, missing)


def main():
    """Runs all checks; the exit code says whether all passed."""
    root = sys.argv[1]
    results = []

    def check(what, passed, why):
        results.append(bool(passed))
        print(f"ok   {what}" if passed else f"FAIL {what}: {why}", flush=True)

    with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
        text, first_port = with_free_ports(file.read())
    readme = Readme(text)
    said = run_servers(root, readme, first_port, check)
    check_quotes(readme, said, check)
    check_code(root, readme, check)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


main()
