"""What one browser is enough for: addresses, warnings, the heap limit, the phone, contrasts, the video."""

import re

from hostile import Hostile
from page import Page
from server import Server
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


class Particulars:
    def __init__(self, browser, program, file, video, report):
        self.browser, self.program, self.file, self.video, self.report = browser, program, file, video, report
        self.page = Page(browser)

    def run(self):
        with Server(self.program, self.file, "--mode", "stream") as stream:
            self.wrong_addresses(stream)
            self.hostile(stream)
            self.different_files(stream)
            self.phone_and_contrast(stream)
        self.heap_limit()
        self.play()
        self.report.silent(self.browser, "in all of this")

    def wrong_addresses(self, stream):
        browser, check = self.browser, self.report.check
        for given, word in (("javascript:alert(1)", "not an address"), ("ftp://localhost", "not an http address"),
                            (f"localhost:{stream.port}", "this server itself")):
            browser.open(f"{stream.url}heap?with={given}")
            wait_until(lambda: word in browser.read("alert", ""))
            check(f"?with={given.split(':')[0]} is refused, in words", word in browser.read("alert", ""), browser.read("alert", ""))

    def hostile(self, stream):
        browser, page, check = self.browser, self.page, self.report.check
        with Hostile() as other:
            browser.open(f"{stream.url}heap?with={other.origin}")
            page.await_card(other, "unknown")
            browser.click("button", "Pause")
            pressed = wait_until(lambda: browser.attribute(browser.find("button", "Pause"), "aria-pressed") == "true")
            check("a server that tells nonsense does not stop the page", pressed, page.card(stream))
            told = page.card(other)
            check("nor is it shown", told and not re.search("NaN|Infinity|undefined|null|<b>", told), told)
            card = page.await_card(stream, "live")
            check("nor hides the other one", "live" in card and "stream" in card, card)
            browser.open("about:blank")
        browser.errors()  # Its answers end early, again and again.

    def different_files(self, stream):
        other_file = self.file.with_name("other.mp4")
        other_file.write_bytes(b"x" * 1000)
        with Server(self.program, other_file, "--mode", "buffer") as buffer:
            self.browser.open(f"{stream.url}heap?with=localhost:{buffer.port}")
            wait_until(lambda: "different files" in self.browser.read("alert", ""))
            said = self.browser.read("alert", "")
            self.report.check("two servers of different files are told", "different files" in said, said)

    def heap_limit(self):
        browser, page, check = self.browser, self.page, self.report.check
        with Server(self.program, self.file, "--mode", "buffer", "--heap-limit", "40M") as limited:
            browser.open(f"{limited.url}heap")
            card = page.await_card(limited, "heap limit 40.0 MiB")
            check("the card says the heap limit", "heap limit 40.0 MiB" in card, card)
            check("and so does the legend", "heap limit" in browser.read("list", "Legend"), browser.read("list", "Legend"))
            browser.click("button", "Start")
            wait_until(lambda: page.progress().startswith("Done"))
            said = page.progress()
            check("viewers that are refused are said to be", re.search(r"\b1[89] failed \(the server answered 503\)", said), said)
            wait_until(lambda: "refused" in page.lesson())
            check("and the lesson counts them", re.search(r"buffer refused 1[89] viewers", page.lesson()), page.lesson())
            # Chromium writes each 503 to the console, whatever the page does.
            told = [line for line in browser.errors() if "503" not in line]
            check("the console has the refused requests only", not told, told)

    def phone_and_contrast(self, stream):
        browser, check = self.browser, self.report.check
        with Server(self.program, self.file, "--mode", "buffer") as buffer:
            browser.open(f"{stream.url}heap?with=localhost:{buffer.port}")
            self.page.await_card(buffer, "live")
            for scheme in ("light", "dark"):
                for width, height in ((1280, 800), (390, 844)):
                    browser.show_as(width, height, scheme)
                    faint = browser.call(FAINT)
                    check(f"every text can be read, {scheme}, {width} pixels wide", not faint, faint)
                    wide = browser.call("() => document.documentElement.scrollWidth")
                    check(f"nobody need scroll sideways, {scheme}, {width} pixels wide", wide <= width, wide)
            browser.show_as(1280, 900, "light")

    def play(self):
        with Server(self.program, self.video, "--mode", "stream") as server:
            self.browser.open(f"{server.url}heap")
            self.page.await_card(server, "live")
            video = self.browser.call("() => document.querySelector('video')")
            went = self.browser.call(PLAY, video)
            self.report.check("the video plays, and on from its middle", went.get("onFromTheMiddle") and went.get("played"), went)
            self.browser.open("about:blank")
