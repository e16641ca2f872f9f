"""The steps of scripts/check-page.sh: check-page.py BINARY FOLDER-FOR-TEMPORARY-FILES, in the repository.

It speaks WebDriver to chromedriver with nothing but the standard library. The page's script is a classic
one, so that its own names (servers, axisMib ...) can be read from here: what is checked is what it holds.
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BINARY, TEMPORARY = sys.argv[1], Path(sys.argv[2])
SCREENSHOTS = os.environ.get("SCREENSHOTS")
FILE = Path("media/powder-day.mp4")
FILE_BYTES = FILE.stat().st_size
MIB = 1 << 20
started = []
passed, failed = 0, 0


def check(what, right, why=""):
    """Counts one check, and tells it."""
    global passed, failed
    if right:
        passed += 1
        print(f"ok   {what}", flush=True)
    else:
        failed += 1
        print(f"FAIL {what}: {why}", flush=True)


def until(seconds, true_at_last):
    """Waits for something to become true; its last value."""
    end = time.monotonic() + seconds
    while not (value := true_at_last()) and time.monotonic() < end:
        time.sleep(0.1)
    return value


class Server:
    """A heapserve, and its trace."""

    def __init__(self, mode, port=0):
        self.trace = TEMPORARY / f"{mode}-{len(started)}.jsonl"
        command = [BINARY, FILE, "--mode", mode, "--port", str(port), "--trace", "json"]
        with self.trace.open("w") as trace:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=trace, text=True)
        started.append(self.process)
        ready = self.process.stdout.readline()
        address = re.search(r"http://\S+?:(\d+)/", ready)
        if not address:
            raise RuntimeError(f"{mode} did not start: {self.trace.read_text()}")
        self.url, self.port = address[0], int(address[1])
        self.origin = self.url.rstrip("/")

    def requests(self):
        """The request lines of its trace."""
        lines = self.trace.read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == "request"]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Browser:
    """A chromium of one window."""

    OPTIONS = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--window-size=1280,900",
        f"--user-data-dir={TEMPORARY / 'profile'}",
    ]

    def __init__(self):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        started.append(self.driver)
        port = next(filter(None, (re.search(r"on port ([1-9]\d*)", line) for line in self.driver.stdout)))[1]
        self.at = f"http://127.0.0.1:{port}"
        asked = {"goog:chromeOptions": {"args": self.OPTIONS}, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": asked}})
        self.at += f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.at + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            # Straight to it, whatever proxy the environment names.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=40) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"].splitlines()[0]) from None

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def wait(self, script):
        """Runs a script that calls `done` with its result."""
        script = f"const done = arguments[0]; {script}"
        return self.call("POST", "/execute/async", {"script": script, "args": []})

    def click(self, selector):
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        self.call("POST", f"/element/{next(iter(found.values()))}/click", {})

    def text(self, selector):
        return self.run(f"return document.querySelector({selector!r}).textContent")

    def errors(self):
        """What the console told since the last call, without a hint about what DRAWN does."""
        entries = self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries
                if entry["level"] in ("SEVERE", "WARNING") and "willReadFrequently" not in entry["message"]]

    def devtools(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def picture(self, name, scheme="light", width=1280, height=800):
        if not SCREENSHOTS:
            return
        scheme = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", features=scheme)
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        time.sleep(0.5)
        png = base64.b64decode(self.call("GET", "/screenshot"))
        (Path(SCREENSHOTS) / f"{name}.png").write_bytes(png)
        self.devtools("Emulation.clearDeviceMetricsOverride")
        self.devtools("Emulation.setEmulatedMedia", features=[])


# What is drawn of each server above the axis, in MiB: its highest row of six pixels, which no letter has, and
# how many rows have its colour at all, which says that a curve goes all the way up. And how many pixels have.
DRAWN = """
draw();
const style = getComputedStyle(canvas), em = parseFloat(style.fontSize) * .85, ratio = devicePixelRatio;
const bottom = canvas.clientHeight - 1.7 * em - servers.length * (2.2 * em + 4), top = 2 * em;
const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
return servers.map(server => {
  probe.fillStyle = style.getPropertyValue('--' + server.look);
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  const width = Math.round((canvas.clientWidth - 8 * em) * ratio), height = Math.round((bottom + 2) * ratio);
  const { data } = pen.getImageData(0, 0, width, height);
  let pixels = 0, inRow = 0, highest = Infinity;
  const rows = new Set();
  for (let i = 0; i < data.length; i += 4) {
    const off = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
    if (off > 30 || data[i + 3] < 240) { inRow = 0; continue; }
    const row = Math.floor(i / 4 / width);
    pixels++;
    rows.add(row);
    if (++inRow >= 6) highest = Math.min(highest, row);
  }
  const mib = pixels => pixels / ratio / (bottom - top) * axisMib;
  return { look: server.look, pixels, rows: mib(rows.size), highest: mib(bottom * ratio - highest) };
});
"""
# The page's curves, in bytes.
CURVES = """
return servers.map(({ latest, points, state, running, spans }) => ({
  mode: latest?.mode, state, points: points.length, spans: spans.length, in_flight: latest?.in_flight,
  live: points.map(p => p.live), rss: points.map(p => p.rss),
}));
"""


def steps():
    stream, buffer = Server("stream"), Server("buffer")
    browser = Browser()

    # -- The page of one server.
    browser.open(stream.url + "heap")
    alone = until(5, lambda: browser.run("return servers[0].state === 'live' && document.title !== 'heapserve'"))
    check("the page of one server shows its figures", alone, browser.text("#panels"))
    hint = browser.text("#alone")
    check("it says how to start the other mode", "heapserve --mode buffer --port 3001" in hint, hint)
    browser.picture("alone")

    # -- The video.
    played = browser.wait("""
      const video = byId('video'), report = { error: null };
      const end = () => done({ ...report, code: video.error?.message ?? null });
      setTimeout(end, 20000);
      video.play().then(() => {
        video.ontimeupdate = () => {
          if (video.currentTime < 0.3) return;
          video.ontimeupdate = null;
          report.moved = video.currentTime;
          report.width = video.videoWidth;
          video.onseeked = () => {
            report.seeked = video.currentTime - video.duration / 2;
            video.ontimeupdate = () => { if (video.currentTime > video.duration / 2 + 0.2) { report.on = true; end(); } };
          };
          video.currentTime = video.duration / 2;
        };
      }, error => { report.error = String(error); end(); });
    """)
    check("the video plays", played.get("moved") and played.get("width"), played)
    landed = abs(played.get("seeked", 99)) < 0.5 and played.get("on")
    check("a seek to its middle lands, and it plays on from there", landed, played)
    check("the console has no error", not (errors := browser.errors()), errors)

    # -- Something else than a second server.
    browser.open(stream.url + "heap?with=javascript:alert(1)")
    notice = browser.text("#notice")
    check("a `with` that is no http URL is refused, in words", "no http URL" in notice, notice)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = f"http://localhost:{unused.getsockname()[1]}"
    browser.open(stream.url + f"heap?with={nobody}")
    lost = until(5, lambda: f"no figures from {nobody}" in browser.text(".panel:nth-child(2) .state"))
    check("a second server that is not there is told", lost, browser.text("#panels"))
    browser.errors()

    # -- Both modes on one chart, with a load that the page itself makes.
    browser.open(buffer.url + f"heap?with={stream.origin}")
    both = until(5, lambda: browser.run("return servers.length === 2 && servers.every(s => s.state === 'live' && s.latest)"))
    looks = browser.run("return servers.map(s => [s.look, DASHES[s.look].length])")
    check("both modes are shown, in their own colours and dashes", both and looks == [["buffer", 0], ["stream", 2]], looks)
    check("the console has no error with both", not (errors := browser.errors()), errors)
    browser.run("byId('count').value = 24")
    browser.click("#start")
    overlap = until(10, lambda: browser.run("return Math.max(...servers[0].points.map(p => p.live))") >= 3 * FILE_BYTES)
    check("three downloads and more overlap, and buffer holds as many files", overlap, browser.run(CURVES)[0])
    browser.picture("load-light")
    browser.picture("load-dark", "dark")
    done = until(40, lambda: browser.text("#progress").endswith("."))
    said = browser.text("#progress")
    check("the page counts its downloads", done and said.count("24 of 24 done") == 2 and "failed" not in said, said)
    until(5, lambda: browser.run("return servers.every(s => s.latest.in_flight === 0)"))
    time.sleep(1.5)

    heap, flat = (curve["live"] for curve in browser.run(CURVES))
    rise = f"from {heap[0] / MIB:.1f} to {max(heap) / MIB:.1f} to {heap[-1] / MIB:.1f} MiB"
    check("buffer's curve rises and falls back", heap[0] < 4 * MIB < 3 * FILE_BYTES <= max(heap) and heap[-1] < 4 * MIB, rise)
    check("stream's curve stays under 4 MiB", 0 < max(flat) < 4 * MIB, f"{max(flat) / MIB:.1f} MiB")
    rss = browser.run(CURVES)[0]["rss"]
    check("buffer's RSS rises with its heap", max(rss) >= 3 * FILE_BYTES, f"{max(rss) / MIB:.1f} MiB")
    drawn = {each["look"]: each for each in browser.run(DRAWN)}
    peak = max(heap) / MIB
    right = drawn["buffer"]["rows"] > peak * 0.9 and drawn["buffer"]["highest"] > peak * 0.97
    check("buffer's curve is drawn, up to its height", right, drawn)
    right = drawn["stream"]["pixels"] > 30 and drawn["stream"]["highest"] < peak * 0.1
    check("stream's curve is drawn, along the axis", right, drawn)

    # -- Requests: the page against the trace.
    for number, server in enumerate((buffer, stream), 1):
        until(3, lambda: browser.text(f".panel:nth-child({number}) [data-is=requests]") == str(len(server.requests())))
        shown, traced = browser.text(f".panel:nth-child({number}) [data-is=requests]"), len(server.requests())
        mode = server.requests()[-1]["mode"]
        check(f"the count of {mode}'s requests is that of its trace, {traced}", shown == str(traced), shown)
    marked = browser.run(CURVES)[0]["spans"]
    check("each of buffer's requests is marked", marked == len(buffer.requests()), marked)
    table = browser.run("""return [...byId('requests').rows].map(row => [...row.cells].map(cell => cell.textContent))""")
    newest = next((row for row in table if row[0] == "buffer"), [])
    line = buffer.requests()[-1]
    wanted = ["buffer", str(line["request"]), str(line["connection"]), "GET /", "200", "sent", "40.2 of 40.2"]
    wanted += [f"{line['duration_us'] / 1000:.1f}"]
    check("the table has the figures of the trace", newest[:8] == wanted, f"{newest[:8]}, not {wanted}")
    widths = browser.run("return [...document.querySelectorAll('.bar i')].map(bar => parseFloat(bar.style.width))")
    check("a request's peak is a bar", len(widths) == len(table) and all(0 <= w <= 100 for w in widths), widths)
    spoken = until(6, lambda: "buffer: live heap" in (text := browser.text("#summary")) and text)
    check("a summary is there for screen readers", spoken and "stream: live heap" in spoken, browser.text("#summary"))
    errors = browser.errors()
    check("the load leaves no error in the console", not errors, errors)

    browser.devtools("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
    wide = browser.run("return document.documentElement.scrollWidth")
    browser.devtools("Emulation.clearDeviceMetricsOverride")
    check("a phone need not scroll sideways", wide <= 390, f"{wide} px wide")
    browser.picture("after-phone", width=390, height=844)
    browser.picture("after-hd", width=1920, height=1080)

    # -- A server that goes and comes again.
    buffer.stop()
    state = ".panel:nth-child(1) .state"
    lost = until(5, lambda: "connection lost" in browser.text(state))
    check("a server that stopped is told", lost, browser.text(state))
    browser.picture("lost")
    again = Server("buffer", buffer.port)
    live = until(15, lambda: browser.text(state) == "live")
    check("the page reconnects when it is there again", live, browser.text(state))
    pid = until(5, lambda: browser.run(f"return servers[0].latest.pid === {again.process.pid}"))
    kept = browser.run("return Math.max(...servers[0].points.map(p => p.live))") >= 3 * FILE_BYTES
    check("and shows its figures beside those of before", pid and kept, browser.run(CURVES)[0])
    browser.call("DELETE", "")


def end(*_):
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, end)
try:
    steps()
except KeyboardInterrupt:
    failed += 1
except Exception as error:  # one that makes all further steps pointless
    check("the check runs to its end", False, f"{type(error).__name__}: {error}")
finally:
    # Chromium ends with its driver; both with their process group, if they are slow.
    for process in reversed(started):
        process.terminate()
    for process in started:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
