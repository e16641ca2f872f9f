"""What a class and a long day do to the page: another host name, a server that stops, a reset, many tabs, another zone."""

import re
import signal
import urllib.request
from datetime import datetime, timedelta, timezone

from hostile import hostile
from page import SIDE_BY_SIDE, Page, two_free_ports
from program import FILM
from selenium.webdriver import Keys
from waiting import wait_until

CLASSROOM, OTHER = "teacher-pc", "other-pc"
# Tells the browser where these are.
NAMES = f"--host-resolver-rules=MAP {CLASSROOM} 127.0.0.2, MAP {OTHER} 127.0.0.2"
SINCE_RESET = re.compile(r"Since \d\d:\d\d:\d\d")

# Plays, and goes on from the middle. Whether there was a picture; raises where that fails, or takes too long.
PLAY = """async video => {
  const reach = time => new Promise(done => { video.ontimeupdate = () => video.currentTime > time && done(); });
  await video.play();
  await reach(0.2);
  video.currentTime = video.duration / 2;
  await reach(video.duration / 2 + 0.2);
  return video.videoWidth > 0;
}"""


class Edges(Page):
    def run(self):
        self.another_host()
        for step in (self.tells_nonsense, self.silent_server, self.reset, self.many_tabs, self.another_zone, self.play):
            # No browser plays a file that has only the length of one.
            with self.serve("stream", file=FILM if step == self.play else self.file) as self.stream:
                self.browser.open(f"{self.stream.url}heap")
                self.await_card(self.stream, "live")
                step()
        self.silent("at the edges")

    def region(self, name):
        return lambda: self.browser.read("region", name)

    def another_host(self):
        """Both servers are bound to all addresses, and are opened by a name as from another machine."""
        browser, port = self.browser, two_free_ports()
        with self.serve("stream", "--bind", "0.0.0.0", port=port), self.serve("buffer", "--bind", "0.0.0.0", port=port + 1):
            browser.open(f"http://{CLASSROOM}:{port}/heap")
            for mode, each in (("stream", port), ("buffer", port + 1)):
                self.see(f"from another machine there is a card of {mode}", self.region(f"Server http://{CLASSROOM}:{each}"), mode, "live")
            self.see("how many can watch at a time is said before Start", lambda: self.read_in("#room"), "4 viewers watch at a time")
            self.watch("full speed")
            said = self.await_end()
            self.check("and viewers of both get the whole file", said.count("20 of 20 viewers got the whole file") == 2, said)
            self.silent("from another machine")
            browser.open(f"http://{CLASSROOM}:{port}/heap?with=http://{OTHER}:{port + 1}")
            self.see("a server that may not be read is said to answer", self.region(SIDE_BY_SIDE[1]), "does not let this page read it")
            browser.open("about:blank")
            browser.errors()  # The browser tells each answer that the page may not read.

    def tells_nonsense(self):
        browser = self.browser
        with hostile() as origin:
            browser.open(f"{self.stream.url}heap?with={origin}")
            told = self.see("a server that tells nonsense is said to", self.region(SIDE_BY_SIDE[1]),
                            "make no sense: mode, in_flight, live, live_peak.")
            self.check("but nothing that it tells", not re.search("NaN|Infinity|undefined|null|<b>", told), told)
            browser.click("button", "Pause")
            self.see("it does not stop the page", lambda: browser.find("button", "Pause").get_dom_attribute("aria-pressed"), "true")
            self.see("nor hides the other one", lambda: self.card(self.stream), "live", "stream")
            browser.open("about:blank")
        browser.errors()  # Its answers end early, again and again.

    def silent_server(self):
        """A server that stops without an end of its connections, as a machine does that sleeps."""
        self.check("a new page has missed nothing", "too fast" not in (body := self.read_in("body")), body)
        self.stream.process.send_signal(signal.SIGSTOP)
        try:
            self.see("a server that is silent is not live", lambda: self.card(self.stream),
                     re.compile(r"silent; last heard at \d\d:\d\d:\d\d"), lambda card: "live" not in card)
        finally:
            self.stream.process.send_signal(signal.SIGCONT)
        self.see("and is live when it goes on", lambda: self.card(self.stream), "live", lambda card: "silent" not in card)

    def reset(self):
        browser, card, rows = self.browser, lambda: self.card(self.stream), lambda: self.read_in("#rows")
        self.watch("1 MiB/s")
        self.see("the lesson is of what is held while it goes on", self.lesson, "20 requests at once: stream holds up to")
        browser.click("button", "Reset")
        self.see("Reset in the middle counts from now on", card, SINCE_RESET)
        self.check("and leaves the run", "20 requests at once: stream holds up to" in (said := self.lesson()), said)
        self.await_end()
        self.see("which ends", self.lesson, "20 requests at once: stream needed", "(median)")
        self.see("its requests are in the table", rows, "stream")
        browser.click("button", "Reset")
        self.see("Reset after the end forgets the run", self.lesson, "Press Start")
        self.see("empties the table", rows, "None in the last minute, or since Reset.")
        self.see("and counts from 0", card, SINCE_RESET, re.compile(r"\b0 answered"))
        self.choose("spinbutton", "Viewers", Keys.END, Keys.BACKSPACE, Keys.BACKSPACE, "3")
        self.watch("full speed")
        self.see("what comes then is counted", card, re.compile(r"\b3 answered"))
        self.see("and is the lesson", self.lesson, re.compile("3 requests.*: stream"))

    def many_tabs(self):
        """A browser has six connections to a host, and a hidden page none. What it has not seen, it shows later."""
        browser, driver, stream = self.browser, self.browser.driver, self.stream
        first, before = driver.current_window_handle, stream.descriptors()
        driver.switch_to.new_window("tab")
        self.check("a hidden page has no connection", wait_until(lambda: stream.descriptors() < before), "it keeps it")
        with urllib.request.urlopen(stream.url) as answer:
            answer.read()
        for _ in range(7):
            driver.switch_to.new_window("tab")
            browser.open(f"{stream.url}heap")
        self.see("the eighth tab is live", lambda: self.card(stream), "live")
        for handle in set(driver.window_handles) - {first}:
            driver.switch_to.window(handle)
            driver.close()
        driver.switch_to.window(first)
        self.see("a page that is seen again is live", lambda: self.card(stream), "live")
        self.see("with the requests that it has not seen", lambda: self.read_in("#rows"), "GET /")

    def another_zone(self):
        browser, known = self.browser, set(self.browser.downloads.iterdir())
        browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
        before, new = datetime.now(timezone.utc), []
        browser.click("button", "Save picture (PNG)")
        wait_until(lambda: new.extend(set(browser.downloads.glob("*.png")) - known) or new)
        saved = datetime.strptime(new[0].name, "heapserve-%Y-%m-%d-%H-%M-%S.png").replace(tzinfo=timezone(timedelta(hours=9)))
        right = before - timedelta(seconds=1) < saved <= datetime.now(timezone.utc)
        self.check("a picture's name has the local time", right, new[0].name)

    def play(self):
        is_seen = self.browser.call(PLAY, self.browser.driver.find_element("css selector", "video"))
        self.check("the video plays, and on from its middle", is_seen, "it has no picture")
        self.browser.open("about:blank")
