"""What a class and a long day do to the page: short stories as a table, and those that need more than a table."""

import json
import re
import signal
import tempfile
import threading
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from re import compile as pattern
from urllib.parse import urljoin

from page import MIB, RATES, Page, sparse_file, two_free_ports
from program import FILM
from waiting import wait_until

# Tells the browser where these are, for pages that are opened as from another machine.
NAMES = "--host-resolver-rules=MAP teacher-pc 127.0.0.2, MAP other-pc 127.0.0.2"
SINCE_RESET, HELD = pattern(r"Since \d\d:\d\d:\d\d"), "20 requests at once: stream holds up to"
FILE, MOST, TO_ALL = 16 * MIB, (1 << 53) - 1, ("--bind", "0.0.0.0")

# (what, servers, address, steps). A server is its mode, the size of its file, and its options. The page is that of
# the first one, and finds a second one, which is at the next port. The address is relative to that page. PORT is the
# port of the first one, and NEXT the next. A step is a rate, at which viewers start to watch, "Reset", or a part of the
# page and what it comes to say.
STORIES = [
    ("from another machine", [("stream", FILE, *TO_ALL), ("buffer", FILE, *TO_ALL)], "//teacher-pc:PORT/heap", [
        ("cards", "stream teacher-pc, port PORT", "buffer teacher-pc, port NEXT"),
        ("room", "4 viewers watch at a time"),
        "full speed", ("progress", pattern("stream: 20 of 20 viewers .* buffer: 20 of 20 viewers got the whole"))]),
    ("an address that is none", [("stream", FILE)], "?with=javascript:alert(1)", [("alert", "not an address")]),
    ("different files", [("stream", FILE), ("buffer", 1000)], "", [
        ("alert", "different files"), "full speed",
        ("lesson", pattern(": buffer needed .*: stream needed "), lambda said: "times" not in said)]),
    ("an empty file", [("stream", 0)], "", ["full speed", ("lesson", "The file is empty.")]),
    ("a file of 200 bytes", [("stream", 200), ("buffer", 200)], "", [
        "full speed", ("lesson", pattern(r"Each request held 2\.\d KiB with .*: about the same"))]),
    ("a heap limit for two of twenty", [("buffer", FILE, "--heap-limit", "40M")], "", [
        ("cards", "heap limit 40.0 MiB"), ("legend", "heap limit"),
        ("room", "20 viewers at once would need 320.0 MiB with buffer; "
                 "its heap limit is 40.0 MiB, so it will refuse some (503)."),
        # Slow enough for all to come before the first two end.
        "2 MiB/s", ("progress", pattern(r"Done.*\b1[89] failed \(the server answered 503\)")),
        ("lesson", pattern(r"buffer refused 1[89] of 20 requests\."))]),
    ("a heap limit for none", [("buffer", FILE, "--heap-limit", "10M")], "", [
        ("room", "so it will refuse all (503)."),
        "full speed", ("lesson", "buffer refused all 20 requests for lack of memory.")]),
    ("a heap limit far above", [("buffer", FILE, "--heap-limit", "1G")], "", [
        ("cards", "heap limit 1.0 GiB"), ("legend", lambda legend: "heap limit" not in legend),
        ("room", lambda room: not room)]),
    ("a file of 10 GiB", [("buffer", 10 << 30, "--heap-limit", "16G")], "", [
        ("room", "would need 200.0 GiB with buffer; its heap limit is 16.0 GiB")]),
    # JavaScript's numbers cannot tell this size.
    ("a file of 2^53 + 1 bytes", [("stream", (1 << 53) + 1)], "", [("cards", "live", "8.0 PiB")]),
    ("two servers in one mode", [("stream", FILE), ("stream", FILE)], "", [
        ("room", "To compare the modes, stop the one on port NEXT", "cargo run --release -- --mode buffer --port NEXT"),
        "full speed", ("progress", "Done", "stream on localhost:NEXT"), ("lesson", "stream on localhost:")]),
    ("Reset in the middle of a run", [("stream", FILE)], "", [
        "1 MiB/s", ("lesson", HELD), "Reset", ("cards", SINCE_RESET), ("lesson", HELD),
        ("lesson", "20 requests at once: stream needed", "(median)"), ("rows", "stream")]),
    ("Reset after a run", [("stream", FILE)], "", [
        "full speed", ("lesson", "(median)"), ("rows", "stream"),
        "Reset", ("lesson", "Press Start"), ("rows", "None in the last minute, or since Reset."),
        ("cards", SINCE_RESET, pattern(r"\b0 answered")),
        "full speed", ("cards", pattern(r"\b20 answered")), ("lesson", pattern("20 requests.*: stream"))]),
    ("a server that may not be read", [("stream", FILE, *TO_ALL)], "//teacher-pc:PORT/heap?with=other-pc:PORT", [
        ("missing", "does not let this page read it")]),
]

# Plays, and goes on from the middle. Whether there was a picture; raises where that fails, or takes too long.
PLAY = """async video => {
  const reach = time => new Promise(done => { video.ontimeupdate = () => video.currentTime > time && done(); });
  await video.play();
  await reach(0.2);
  video.currentTime = video.duration / 2;
  await reach(video.duration / 2 + 0.2);
  return video.videoWidth > 0;
}"""

SAMPLE = {"event": "sample", "mode": "<b>", "live": MOST, "live_peak": MOST, "in_flight": MOST, "requests": 0, "pid": 1,
          "at_us": MOST, "started_ms": MOST, "file": {"a": 1}, "rss": "x", "heap_limit": {}}


class Nonsense(BaseHTTPRequestHandler):
    """Answers as heapserve does, with figures that no server has. tests/page/pure.test.mjs has each kind of them."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(json.dumps(SAMPLE).encode())

    log_message = lambda *_: None


class Edges(Page):
    def run(self):
        for story in STORIES:
            self.story(*story)
        # Chromium writes each 503 to the console, whatever the page does, and each answer that it may not read.
        told = [line for line in self.browser.errors() if not re.search("503|other-pc", line)]
        self.check("the console has the refused requests only", not told, told)
        for step in (self.tells_nonsense, self.silent_server, self.many_tabs, self.play):
            with self.serve("stream", file=FILM) as self.stream:
                self.browser.open(f"{self.stream.url}heap")
                self.comes(self.stream, "live")
                step()
                self.browser.open("about:blank")
        self.silent("at the edges")

    def story(self, what, servers, address, steps):
        port = two_free_ports()
        with_ports = lambda text: text.replace("PORT", str(port)).replace("NEXT", str(port + 1))
        named = lambda wanted: with_ports(wanted) if isinstance(wanted, str) else wanted
        # A file system in memory allows any size.
        with ExitStack() as up, tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            for at, (mode, size, *options) in enumerate(servers, port):
                file = sparse_file(Path(folder) / f"{size}.mp4", size)
                up.enter_context(self.serve(mode, *options, port=at, file=file))
            self.browser.open(urljoin(f"http://localhost:{port}/heap", with_ports(address)))
            self.comes("cards", lambda cards: len(re.findall(r"\blive\b", cards)) == len(servers))
            for step in steps:
                if step in RATES:
                    self.watch(step)
                elif step == "Reset":
                    self.browser.click("button", step)
                else:
                    part, *wanted = step
                    self.see(f"{what}: the {part}", part, *map(named, wanted))
            self.browser.open("about:blank")

    def tells_nonsense(self):
        with ThreadingHTTPServer(("127.0.0.1", 0), Nonsense) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.browser.open(f"{self.stream.url}heap?with=127.0.0.1:{server.server_port}")
            told = self.see("a server that tells nonsense is said to", "missing",
                            "make no sense: mode, in_flight, live, live_peak.")
            self.check("but nothing that it tells", not re.search("NaN|Infinity|undefined|null|<b>", told), told)
            self.browser.click("button", "Pause")
            pressed = lambda: self.browser.find("button", "Pause").get_dom_attribute("aria-pressed")
            self.see("it does not stop the page", pressed, "true")
            self.see("nor hides the other one", self.stream, "live", "stream")
            server.shutdown()

    def silent_server(self):
        """A server that stops without an end of its connections, as a machine does that sleeps."""
        self.check("a new page has missed nothing", "too fast" not in (body := self.read("body")), body)
        self.stream.signal(signal.SIGSTOP)
        silent = pattern(r"silent; last heard at \d\d:\d\d:\d\d")
        self.see("a server that is silent is not live", self.stream, silent, lambda card: "live" not in card)
        self.stream.signal(signal.SIGCONT)
        self.see("and is live when it goes on", self.stream, "live", lambda card: "silent" not in card)

    def many_tabs(self):
        """A browser has six connections to a host, and a hidden page none. What it has not seen, it shows later."""
        browser, driver, stream = self.browser, self.browser.driver, self.stream
        first, before = driver.current_window_handle, stream.descriptors()
        driver.switch_to.new_window("tab")
        self.check("a hidden page has no connection", wait_until(lambda: stream.descriptors() < before), "it keeps it")
        urllib.request.urlopen(stream.url).close()
        for _ in range(7):
            driver.switch_to.new_window("tab")
            browser.open(f"{stream.url}heap")
        self.see("the eighth tab is live", stream, "live")
        for handle in set(driver.window_handles) - {first}:
            driver.switch_to.window(handle)
            driver.close()
        driver.switch_to.window(first)
        self.see("a page that is seen again is live", stream, "live")
        self.see("with the requests that it has not seen", "rows", "GET /")

    def play(self):
        is_seen = self.browser.call(PLAY, self.browser.driver.find_element("css selector", "video"))
        self.check("the video plays, and on from its middle", is_seen, "it has no picture")
