"""What a new user does, in any browser: one server, then two; viewers; a reload; a restart; keys; files to keep."""

import csv
import re
from contextlib import ExitStack
from datetime import datetime, timedelta

from page import MIB, MIB_TEXT, PARTS, Page, number, two_free_ports
from selenium.webdriver import Keys
from waiting import wait_until

VIEWERS = 20
FILE_MIB = 16
TOP_MIB = VIEWERS * FILE_MIB


class Journey(Page):
    def run(self):
        with ExitStack() as self.servers:
            self.console()
            for step in (self.one_server_then_two, self.reload_in_the_middle, self.everybody_gets_everything,
                         self.look_at_a_time, self.hold_the_chart, self.keyboard_alone):
                step()
            self.silent("with two servers")
            self.restart_in_the_other_mode()
            self.silent("while a server is gone, and after it is back")

    def console(self):
        """That the checks of the console can fail."""
        told = self.browser.errors()
        self.browser.open("data:text/html,<script>console.error('a'); setTimeout(() => { throw Error('b'); })</script>")
        if told is not None:
            wait_until(lambda: told.extend(self.browser.errors()) or len(told) >= 2)
            self.check("the console tells errors of both kinds", len(told) == 2, told)

    def start(self, mode, port):
        server = self.serve(mode, port=port)
        self.servers.callback(server.kill)
        return server

    def one_server_then_two(self):
        # The page looks for the second server at the next port.
        self.stream = self.start("stream", two_free_ports())
        self.browser.open(f"{self.stream.url}heap")
        self.see("the card says mode, port, process, file and chunk", self.stream, "stream", "live",
                 f"port {self.stream.port}", str(self.stream.pid), self.file.name, "64.0 KiB")
        port = self.stream.port + 1
        self.see("the missing server's card has its command", "missing",
                 f"cargo run --release -- --mode buffer --port {port} {self.file}")
        self.browser.click("button", "Copy")
        self.see("the button copies it, or selects it and says so", "missing", re.compile("Copied|selected"))
        self.buffer = self.start("buffer", port)
        self.see("the page notices the second server and adds it", self.buffer, "buffer", "live")
        self.check("and takes the command away", not (said := self.read("missing")), said)
        self.silent("while it waits for the second server")

    def await_rest(self):
        """Waits until no run goes on. One ends a second after its last answer."""
        return wait_until(lambda: all(server.figures()["run"] is None for server in (self.stream, self.buffer)))

    def reload_in_the_middle(self):
        self.browser.click("radio", "both")
        # Each would take sixteen seconds, so that they are together also where they begin slowly.
        self.watch("1 MiB/s")
        wait_until(lambda: self.heap_mib(self.buffer, "Now") >= TOP_MIB)
        self.see("while it goes on, the lesson is of what is held", "lesson",
                 f"{VIEWERS} requests at once: buffer holds up to", lambda said: "median" not in said)
        # The top lasts for some steps of the arrow keys, also if the sockets hold a quarter.
        wait_until(lambda: (run := self.buffer.figures()["run"]) and run["sent_bytes"] >= TOP_MIB * MIB / 2)
        self.browser.reload()
        self.comes(self.buffer, "buffer", "live")
        self.see("a reload in the middle keeps what was seen", lambda: self.heap_mib(self.buffer, "In view, most"),
                 lambda kept: kept >= TOP_MIB)
        # The viewers were the page's, and ended with it.
        self.check("viewers end with their page", self.await_rest(), self.buffer.figures())
        read = self.highest_read("buffer")
        self.check("and keeps the curve, as the arrow keys tell", read >= TOP_MIB * 0.99, f"{read} MiB of {TOP_MIB}")

    def everybody_gets_everything(self):
        self.watch("2 MiB/s")
        for mode, server in (("buffer", self.buffer), ("stream", self.stream)):
            self.see(f"each viewer of {mode} got every byte, says the page", "progress", "Done",
                     f"{mode}: {VIEWERS} of {VIEWERS} viewers got the whole file; {TOP_MIB}.0 of {TOP_MIB}.0 MiB.")
            # Those of the run before were cut off.
            trace = lambda: [line["sent_bytes"] for line in server.requests() if line["outcome"] == "sent"]
            self.see(f"and says {mode}'s trace", trace, lambda sent: sent == VIEWERS * [FILE_MIB * MIB])
        self.await_rest()
        pattern = re.compile(
            rf"{VIEWERS} requests at once: buffer needed {MIB_TEXT} of heap, stream {MIB_TEXT}: ([\d,]+) times as "
            rf"much\. Each request held {MIB_TEXT} and ([\d.]+) KiB\. "
            r"The server sent the first byte after [\d,.]+ ms and [\d,.]+ ms \(medians\)\.")
        found = pattern.search(self.see("the lesson is a sentence", "lesson", pattern))
        if found:
            buffer, stream, times, buffer_each, stream_each_kib = map(number, found.groups())
            right = buffer >= TOP_MIB and stream < 3 and abs(times / (buffer / stream) - 1) < 0.05
            right = right and FILE_MIB <= buffer_each < FILE_MIB + 1 and 64 < stream_each_kib < 80
            self.check("whose figures are right", right, found[0])
        self.see("the last requests of both modes stand side by side", "rows", "buffer", "stream")
        said = self.read("lesson")
        self.browser.reload()
        self.comes(self.buffer, "live")
        self.see("a page that is opened after the load tells the same", "lesson", said)
        # The page forgets what is older than a minute, but not what it shows while it is paused.
        self.browser.click("button", "Pause")
        self.keep_files()
        self.browser.click("button", "Pause")
        buffer, stream = (self.heap_mib(server, "Since start") for server in (self.buffer, self.stream))
        self.check("buffer holds the file twenty times", buffer >= TOP_MIB, f"{buffer} MiB")
        self.check("stream stays under 3 MiB", 0 < stream < 3, f"{stream} MiB")

    def keep_files(self):
        folder = self.browser.downloads
        if not folder:
            return

        def save(what, end):
            self.browser.click("button", f"Save {what}")
            wait_until(lambda: any(file.stat().st_size for file in folder.glob(end)))
            return next(folder.glob(end))

        def table(what):
            return list(csv.DictReader(save(f"{what} (CSV)", f"*-{what}.csv").read_text(encoding="utf-8").splitlines()))

        picture = save("picture (PNG)", "*.png")
        head, size = picture.read_bytes()[:6], picture.stat().st_size
        self.check("the picture is a PNG", head == b"\x89PNG\r\n" and size > 10_000, f"{head}, {size} bytes")
        ago = datetime.now() - datetime.strptime(picture.name, "heapserve-%Y-%m-%d-%H-%M-%S.png")
        self.check("its name has the local time", timedelta() <= ago < timedelta(minutes=2), picture.name)
        top = max((int(row["live_bytes"]) for row in table("samples") if row["mode"] == "buffer"), default=0)
        self.check("the samples have buffer's top", top >= TOP_MIB * MIB, top)
        whole = [row for row in table("requests") if row["sent_bytes"] == str(FILE_MIB * MIB)]
        self.check("the requests have all viewers", len(whole) >= 2 * VIEWERS, len(whole))

    def look_at_a_time(self):
        self.browser.point_at(self.browser.find(*PARTS["chart"]))
        self.see("the pointer shows the figures at a time", "chart", "buffer: heap", "stream: heap", "−")
        self.browser.point_at(self.browser.find("button", "Reset"))
        self.see("and hides them when it leaves", "chart", lambda shown: "heap" not in shown)

    def hold_the_chart(self):
        browser, held = self.browser, []
        drawing = lambda: browser.call("() => document.querySelector('#chart').toDataURL()")
        moving = drawing()
        self.check("the chart moves", wait_until(lambda: drawing() != moving), "it stands still")
        browser.click("button", "Pause")
        # The page draws once more after the click.
        while len(held) < 2:
            requests = self.stream.figures()["requests"]
            browser.call("() => fetch('/').then(answer => answer.blob()).then(() => null)")
            self.comes(self.stream, f"{requests + 1} answered")
            held.append(drawing())
        self.check("Pause holds it, whatever happens", held[0] == held[1], "it moved")
        browser.click("button", "Pause")
        self.check("and lets it go on", wait_until(lambda: drawing() != held[1]), "it stands still")

    def keyboard_alone(self):
        self.browser.reload()
        for server in (self.stream, self.buffer):
            self.comes(server, "live")
        self.browser.choose("spinbutton", "Viewers", Keys.END, Keys.BACKSPACE, Keys.BACKSPACE, "3")
        self.choose_rate("full speed")
        self.browser.choose("button", "Start", Keys.ENTER)
        self.see("three viewers watch by keyboard alone", "progress",
                 re.compile("Done.*: 3 of 3 viewers got the whole file.*: 3 of 3 viewers got the whole file"))
        # Stop works whatever stands in the fields.
        self.choose_rate("1 MiB/s")
        self.browser.choose("button", "Start", Keys.ENTER)
        wait_until(lambda: self.stream.figures()["in_flight"] == 3)
        self.browser.choose("spinbutton", "Viewers", Keys.END, Keys.BACKSPACE)
        self.browser.choose("button", "Stop", Keys.ENTER)
        self.see("and stop, with the number cleared", "progress", "Stopped.", "3 stopped")
        self.await_rest()

    def restart_in_the_other_mode(self):
        port, others, before = self.buffer.port, self.buffer, self.coloured("buffer")
        self.stream.kill()
        self.see("a server that is gone is said to be, and since when", self.stream,
                 re.compile(r"gone; last heard at \d\d:\d\d:\d\d"))
        others.stop()
        self.comes(others, "gone; last heard")
        self.buffer = self.start("stream", port)
        card = self.see("on the same port it is back in the other mode", self.buffer, "stream", "live",
                        f"process {self.buffer.pid}", lambda card: "buffer" not in card)
        self.check("its peak is its own", self.heap_mib(self.buffer, "Since start") < 3, card)
        # The chart goes back for a minute, of which a slow machine has used some.
        after = self.coloured("buffer")
        self.check("what buffer did keeps its colour", after > before / 10 > 0, f"{before} pixels before, {after} now")
        read = self.highest_read("buffer")
        self.check("and its figures", read >= 3 * FILE_MIB * 0.99, f"{read} MiB")
