"""Short stories as a table: servers, one page, and what it then says."""

import os
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from re import compile as pattern

from page import MIB, RATES, SIDE_BY_SIDE, Page, two_free_ports

FILE = 16 * MIB

# (what, servers, address, steps). A server is its mode, the size of its file, its port if that matters, and its options.
# The page is that of the first one, and finds a second one, which is at the next port. PORT is the port of the last one,
# and NEXT the one after it, which is free after one server. A step is a rate, at which viewers start and watch, or a part of the page (see Stories.run) and
# what it comes to say.
STORIES = [
    ("an address that is none", [("stream", FILE)], "?with=javascript:alert(1)", [("alert", "not an address")]),
    ("an address of another scheme", [("stream", FILE)], "?with=ftp://localhost", [("alert", "not an http address")]),
    ("the server's own address", [("stream", FILE)], "?with=localhost:PORT", [("alert", "this server itself")]),
    ("a port alone", [("stream", FILE)], "?with=NEXT", [("missing", "cargo run --release -- --mode buffer --port NEXT")]),
    ("different files", [("stream", FILE), ("buffer", 1000)], "?with=localhost:PORT", [
        ("alert", "different files"), "full speed",
        ("lesson", pattern(": buffer needed .*: stream needed "), lambda said: "times" not in said)]),
    ("an empty file", [("stream", 0)], "", ["full speed", ("lesson", "The file is empty.")]),
    ("a file of 200 bytes", [("stream", 200), ("buffer", 200)], "", [
        "full speed", ("lesson", pattern(r"Each request held 2\.\d KiB with .*: about the same"))]),
    ("a heap limit for two of twenty", [("buffer", FILE, "--heap-limit", "40M")], "", [
        ("card", "heap limit 40.0 MiB"), ("legend", "heap limit"),
        ("room", "20 viewers at once would need 320.0 MiB with buffer; its heap limit is 40.0 MiB, so it will refuse some (503)."),
        # Slow enough for all to come before the first two end.
        "2 MiB/s", ("progress", pattern(r"\b1[89] failed \(the server answered 503\)")),
        ("lesson", pattern(r"buffer refused 1[89] of 20 requests\."))]),
    ("a heap limit for none", [("buffer", FILE, "--heap-limit", "10M")], "", [
        "full speed", ("lesson", "buffer refused all 20 requests for lack of memory.")]),
    ("a heap limit far above", [("buffer", FILE, "--heap-limit", "1G")], "", [
        ("card", "heap limit 1.0 GiB"), ("legend", lambda legend: "heap limit" not in legend), ("room", lambda room: not room)]),
    ("a file of 10 GiB", [("buffer", 10 << 30, "--heap-limit", "16G")], "", [
        ("room", "would need 200.0 GiB with buffer; its heap limit is 16.0 GiB")]),
    # JavaScript's numbers cannot tell this size.
    ("a file of 2^53 + 1 bytes", [("stream", (1 << 53) + 1)], "", [("card", "live", "8.0 PiB")]),
    ("two servers in one mode", [("stream", FILE), ("stream", FILE)], "", [
        ("room", "To compare the modes, stop the one on port PORT", "cargo run --release -- --mode buffer --port PORT"), "full speed",
        ("progress", "stream on localhost:PORT"), ("lesson", "stream on localhost:")]),
    ("the last port", [("stream", 1000, 65535)], "", [("card", "live", "port 65535")]),
]


class Stories(Page):
    def run(self):
        self.parts = {
            "alert": lambda: self.browser.read("alert", ""), "lesson": self.lesson, "progress": self.progress, "card": lambda: self.card(self.server),
            "legend": lambda: self.browser.read("list", "Legend"), "missing": lambda: self.browser.read(*SIDE_BY_SIDE),
            "room": lambda: self.read_in("#room"),
        }
        for what, servers, address, steps in STORIES:
            # A file system in memory allows any size.
            with ExitStack() as up, tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                urls = [self.serve_file(up, folder, *server) for server in zip(count(two_free_ports()), servers)]
                self.browser.open(f"{urls[0]}heap{self.named(address)}")
                self.await_card(self.server, "live")
                for step in steps:
                    self.take(step, what)
                self.browser.open("about:blank")
        # Chromium writes each 503 to the console, whatever the page does.
        told = [line for line in self.browser.errors() if "503" not in line]
        self.check("the console has the refused requests only", not told, told)

    def serve_file(self, up, folder, port, server):
        mode, size, *options = server
        if options and isinstance(options[0], int):
            port = options.pop(0)
        file = Path(folder) / f"{size}.mp4"
        file.touch()
        os.truncate(file, size)
        self.server = up.enter_context(self.serve(mode, *options, port=port, file=file))
        return self.server.url

    def take(self, step, what):
        if step in RATES:
            self.watch(step)
            self.await_end()
        else:
            part, *wanted = step
            self.see(f"{what}: the {part}", self.parts[part], *map(self.named, wanted))

    def named(self, text):
        """The text with the numbers of the ports."""
        if not isinstance(text, str):
            return text
        return text.replace("PORT", str(self.server.port)).replace("NEXT", str(self.server.port + 1))
