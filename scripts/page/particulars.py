"""What one browser is enough for: addresses, warnings, the heap limit, the phone, contrasts, the video."""

import re

from hostile import Hostile
from page import CHART, SIDE_BY_SIDE, Page
from waiting import wait_until

# The texts whose contrast to what is behind them is too low: 4.5, and 3 for large letters (WCAG 2.2, 1.4.3).
FAINT = """() => {
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = colour => { probe.clearRect(0, 0, 1, 1); probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1); return probe.getImageData(0, 0, 1, 1).data; };
  const linear = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found[3] === 255) return found;
    }
    return rgb(getComputedStyle(document.body).backgroundColor);
  };
  const isText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  return [...document.body.querySelectorAll('*')].filter(element => isText(element) && element.checkVisibility()).flatMap(element => {
    const style = getComputedStyle(element), [a, b] = [luminance(rgb(style.color)), luminance(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), isLarge = parseFloat(style.fontSize) >= 24;
    return contrast < (isLarge ? 3 : 4.5) ? [`${element.textContent.slice(0, 30)} ${contrast.toFixed(2)}`] : [];
  });
}"""

# What is cut off or covers other text: texts that are wider than their box, that cross each other, or leave the window.
CROWDED = """() => {
  const shown = [], faults = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest('.only-read-aloud, select, template')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const { left, right, top, bottom } of range.getClientRects()) {
      const box = { left, right, top, bottom };
      for (let at = element; at !== document.body; at = at.parentElement) {
        if (getComputedStyle(at).overflowX === 'visible') continue;
        const edge = at.getBoundingClientRect();
        [box.left, box.right] = [Math.max(box.left, edge.left), Math.min(box.right, edge.right)];
        [box.top, box.bottom] = [Math.max(box.top, edge.top), Math.min(box.bottom, edge.bottom)];
      }
      if (box.left < box.right && box.top < box.bottom) shown.push({ element, box, text: node.data.trim().slice(0, 30) });
    }
    if (style.overflowX === 'hidden' && element.scrollWidth > element.clientWidth + 1 && style.textOverflow !== 'ellipsis')
      faults.push(`cut: ${node.data.trim().slice(0, 30)}`);
  }
  shown.forEach((a, i) => {
    if (a.box.left < -1 || a.box.right > innerWidth + 1) faults.push(`outside: ${a.text}`);
    for (const b of shown.slice(i + 1)) {
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      // The box of a large letter has room above and below it.
      const least = Math.min(a.box.bottom - a.box.top, b.box.bottom - b.box.top) * 0.4;
      if (wide > 1 && high > least && a.element !== b.element) faults.push(`${a.text} covers ${b.text}`);
    }
  });
  return [...new Set(faults)].slice(0, 5);
}"""

# Whether this much of each element is in the window, and what is missing if not.
SEEN_TOGETHER = """(...elements) => elements.map(element => element.getBoundingClientRect()).flatMap(({ top, bottom, height }) =>
  Math.min(bottom, innerHeight) - Math.max(top, 0) < Math.min(height, 100) - 1 ? [`${top} to ${bottom} of ${innerHeight}`] : [])"""

# Plays, and goes on from the middle; how that went.
PLAY = """video => new Promise(done => {
  const report = {}, end = () => done({ ...report, error: video.error?.message ?? report.error ?? null });
  setTimeout(end, 30000);
  const after = (time, what) => { video.ontimeupdate = () => { if (video.currentTime > time) { video.ontimeupdate = null; what(); } }; };
  video.play().catch(error => { report.error = String(error); end(); });
  after(0.2, () => {
    report.played = video.videoWidth > 0;
    video.currentTime = video.duration / 2;
    after(video.duration / 2 + 0.2, () => { report.onFromTheMiddle = true; end(); });
  });
})"""


# Width and height of the window in pixels, and the browser's zoom.
SIZES = [(320, 640, 1), (390, 844, 1), (768, 1024, 1), (1024, 768, 1), (1100, 800, 1), (1280, 800, 1), (1280, 800, 2),
         (1920, 1080, 1), (2560, 1440, 1)]


class Particulars(Page):
    def __init__(self, browser, program, file, report, pictures):
        super().__init__(browser, program, file, report)
        self.pictures = pictures

    def run(self, video):
        self.with_stream(self.wrong_addresses, self.hostile, self.different_files, self.sizes)
        self.heap_limit()
        self.play(video)
        self.silent("in all of this")

    def with_stream(self, *steps):
        with self.serve("stream") as self.stream:
            for step in steps:
                step()

    def open_with(self, other):
        self.browser.open(f"{self.stream.url}heap?with={other}")

    def wrong_addresses(self):
        for given, word in (("javascript:alert(1)", "not an address"), ("ftp://localhost", "not an http address"),
                            (f"localhost:{self.stream.port}", "this server itself")):
            self.open_with(given)
            self.see(f"?with={given.split(':')[0]} is refused, in words", self.alert, word)

    def hostile(self):
        browser = self.browser
        with Hostile() as other:
            self.open_with(other.origin)
            told = self.see("a server that tells nonsense is said to", lambda: browser.read(*SIDE_BY_SIDE), "make no sense")
            self.check("but nothing that it tells", not re.search("NaN|Infinity|undefined|null|<b>", told), told)
            browser.click("button", "Pause")
            self.see("it does not stop the page", lambda: browser.attribute(browser.find("button", "Pause"), "aria-pressed"), "true")
            self.see("nor hides the other one", lambda: self.card(self.stream), "live", "stream")
            browser.open("about:blank")
        browser.errors()  # Its answers end early, again and again.

    def different_files(self):
        other_file = self.file.with_name("other.mp4")
        other_file.write_bytes(b"x" * 1000)
        with self.serve("buffer", file=other_file) as buffer:
            self.open_with(f"localhost:{buffer.port}")
            self.see("two servers of different files are told", self.alert, "different files")

    def heap_limit(self):
        with self.serve("buffer", "--heap-limit", "40M") as limited:
            self.browser.open(f"{limited.url}heap")
            self.see("the card says the heap limit", lambda: self.card(limited), "heap limit 40.0 MiB")
            self.see("and so does the legend", lambda: self.browser.read("list", "Legend"), "heap limit")
            self.browser.click("button", "Start")
            said = self.await_end()
            self.check("viewers that are refused are said to be", re.search(r"\b1[89] failed \(the server answered 503\)", said), said)
            self.see("and the lesson counts them", self.lesson, re.compile(r"buffer refused 1[89] of 20 requests"))
            # Chromium writes each 503 to the console, whatever the page does.
            told = [line for line in self.browser.errors() if "503" not in line]
            self.check("the console has the refused requests only", not told, told)

    def sizes(self):
        """The page at each size that people use, with figures in all its places."""
        browser = self.browser
        with self.serve("buffer") as buffer:
            self.open_with(f"localhost:{buffer.port}")
            self.await_card(buffer, "live")
            self.choose_rate("as fast as it goes")
            for scheme in ("light", "dark"):
                for width, height, zoom in SIZES:
                    browser.show_as(width, height, scheme, zoom)
                    if scheme == "light":
                        self.start(f"{width}-{zoom}00")
                    self.size(f"{scheme}-{width}-{zoom}00", width // zoom)
            browser.show_as(1280, 900, "light")

    def start(self, name):
        """What a user sees after Start without scrolling."""
        self.browser.call("() => scrollTo(0, 0)")
        self.browser.click("button", "Start")
        self.await_end()
        parts = [self.browser.find("region", "The lesson"), self.browser.find("slider", CHART)]
        self.see(f"the sentence and the chart are seen together after Start, {name} %",
                 lambda: self.browser.call(SEEN_TOGETHER, *parts), lambda missing: not missing)

    def size(self, name, width):
        browser = self.browser
        browser.call("() => new Promise(done => { scrollTo(0, 0); requestAnimationFrame(() => setTimeout(done, 100)); })")
        for what, found in (("every text can be read", browser.call(FAINT)), ("nothing is cut or covered", browser.call(CROWDED))):
            self.check(f"{what}, {name} %", not found, found)
        wide = browser.call("() => document.documentElement.scrollWidth")
        self.check(f"nobody need scroll sideways, {name} %", wide <= width, wide)
        (self.pictures / f"{name}.png").write_bytes(browser.picture())

    def play(self, video):
        with self.serve("stream", file=video) as server:
            self.browser.open(f"{server.url}heap")
            self.await_card(server, "live")
            went = self.browser.call(PLAY, self.browser.find_all("video")[0])
            self.check("the video plays, and on from its middle", went.get("onFromTheMiddle") and went.get("played"), went)
            self.browser.open("about:blank")
