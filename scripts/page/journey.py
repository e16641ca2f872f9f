"""What a new user does, in any browser: one server, then two; viewers; a reload; a restart; keys; files to keep."""

import csv
import random
import re
import socket

from page import CHART, MIB, MIB_TEXT, Page, number
from server import Server
from waiting import wait_until, wait_until_steady

VIEWERS = 20
FILE_MIB = 16


class Journey:
    def __init__(self, browser, program, file, report):
        self.browser, self.program, self.file, self.report = browser, program, file, report
        self.page = Page(browser)
        self.servers = []

    def run(self):
        try:
            self.one_server_then_two()
            self.reload_in_the_middle()
            self.everybody_gets_everything()
            self.look_at_a_time()
            self.hold_the_chart()
            if self.browser.downloads:
                self.keep_files()
            self.keyboard_alone()
            self.report.silent(self.browser, "with two servers")
            self.restart_in_the_other_mode()
            self.report.silent(self.browser, "while a server is gone, and after it is back")
        finally:
            for server in self.servers:
                server.kill()

    def start(self, mode, port=0):
        server = Server(self.program, self.file, "--mode", mode, port=port)
        self.servers.append(server)
        return server

    def start_below_a_free_port(self):
        """A stream; the page looks for the second server at the next port."""
        for _ in range(20):
            # Not one of those that systems give to connections, which could take the next port at any time.
            port = random.randrange(10_000, 30_000, 2)
            try:
                for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
                    for each in (port, port + 1):
                        socket.create_server((host, each), family=family).close()
            except OSError:
                continue
            return self.start("stream", port)
        raise RuntimeError("no two free ports in a row")

    def one_server_then_two(self):
        browser, page, check = self.browser, self.page, self.report.check
        self.stream = self.start_below_a_free_port()
        browser.open(f"{self.stream.url}heap")
        card = page.await_card(self.stream, "stream", "live")
        check("the card says mode, port, process, file and chunk",
              all(word in card for word in (f"port {self.stream.port}", str(self.stream.pid), self.file.name, "64.0 KiB")), card)
        second = browser.find("region", "Both modes side by side")
        port = self.stream.port + 1
        command = f"cargo run --release -- --mode buffer --port {port} {self.file}"
        wait_until(lambda: command in browser.text(second))
        check("the missing server's card has its command", command in browser.text(second), browser.text(second))
        browser.click("button", "Copy")
        answered = wait_until(lambda: re.search("Copied|selected", browser.text(second)))
        check("the button copies it, or selects it and says so", answered, browser.text(second))
        self.buffer = self.start("buffer", port)
        card = page.await_card(self.buffer, "buffer", "live")
        check("the page notices the second server and adds it", "live" in card, card)
        check("and takes the command away", not browser.has("region", "Both modes side by side"), "it stays")
        self.report.silent(browser, "while it waits for the second server")

    def let_watch(self):
        """Twenty viewers of both modes, who take four seconds."""
        self.page.choose_rate("4 MiB/s")
        self.browser.click("radio", "both")
        self.browser.click("button", "Start")

    def await_end(self):
        """Waits until the form says how it ended. Returns that."""
        wait_until(lambda: re.match("Done|Stopped", self.page.progress()))
        return self.page.progress()

    def await_rest(self):
        return wait_until(lambda: all(server.figures()["in_flight"] == 0 for server in (self.stream, self.buffer)))

    def reload_in_the_middle(self):
        browser, page, check = self.browser, self.page, self.report.check
        self.let_watch()
        top = VIEWERS * FILE_MIB
        wait_until(lambda: page.heap_mib(self.buffer, "Now") >= top)
        # The top lasts for some steps of the arrow keys.
        wait_until(lambda: page.received_mib("buffer") >= top / 2)
        browser.reload()
        page.await_card(self.buffer, "buffer", "live")
        wait_until(lambda: page.heap_mib(self.buffer, "In view, most") >= top)
        kept = page.heap_mib(self.buffer, "In view, most")
        check("a reload in the middle keeps what was seen", kept >= top, f"{kept} MiB of {top}")
        # The viewers were the page's, and ended with it.
        check("viewers end with their page", self.await_rest(), self.buffer.figures())
        read = page.highest_read("buffer")
        check("and keeps the curve, as the arrow keys tell", read >= top * 0.99, f"{read} MiB of {top}")

    def everybody_gets_everything(self):
        page, check = self.page, self.report.check
        before = {server: len(server.requests()) for server in (self.stream, self.buffer)}
        self.let_watch()
        said, all_mib = self.await_end(), f"{VIEWERS * FILE_MIB}.0"
        for mode, server in (("buffer", self.buffer), ("stream", self.stream)):
            told = f"{mode}: {VIEWERS} of {VIEWERS} viewers got the whole file; {all_mib} of {all_mib} MiB."
            check(f"each viewer of {mode} got every byte, says the page", told in said, said)
            wait_until(lambda: len(server.requests()) >= before[server] + VIEWERS)
            sent = [line["sent_bytes"] for line in server.requests()[before[server]:] if line["outcome"] == "sent"]
            check(f"and says {mode}'s trace", sent == [FILE_MIB * MIB] * VIEWERS, sent)
        self.await_rest()
        buffer, stream = (page.heap_mib(server, "Since start") for server in (self.buffer, self.stream))
        check("buffer holds the file twenty times", buffer >= VIEWERS * FILE_MIB, f"{buffer} MiB")
        check("stream stays under 3 MiB", 0 < stream < 3, f"{stream} MiB")
        self.read_the_lesson()

    def read_the_lesson(self):
        pattern = (rf"{VIEWERS} viewers: buffer holds {MIB_TEXT}, stream {MIB_TEXT}: ([\d,]+) times as much\. "
                   r"First byte after [\d,.]+ ms and [\d,.]+ ms\.")
        wait_until(lambda: re.search(pattern, self.page.lesson()))
        found = re.search(pattern, self.page.lesson())
        self.report.check("the lesson is a sentence", found, self.page.lesson())
        if not found:
            return
        buffer, stream, times = map(number, found.groups())
        right = buffer >= VIEWERS * FILE_MIB and stream < 3 and abs(times / (buffer / stream) - 1) < 0.05
        self.report.check("whose figures are right", right, found[0])

    def look_at_a_time(self):
        browser = self.browser
        chart = browser.find("slider", CHART)
        browser.call("() => document.activeElement.blur()")
        for part in range(84, 5, -2):
            browser.point_at(chart, across=part / 100, down=0.3)
            if "buffer: heap" in (shown := browser.text(chart)) and "stream: heap" in shown:
                break
        self.report.check("the pointer shows the figures at a time", "buffer: heap" in shown and "−" in shown, shown)
        browser.point_at(browser.find("button", "Reset"))
        gone = wait_until(lambda: "heap" not in browser.text(chart))
        self.report.check("and hides them when it leaves", gone, browser.text(chart))

    def hold_the_chart(self):
        page, browser, check = self.page, self.browser, self.report.check
        moving = page.drawing()
        check("the chart moves", wait_until(lambda: page.drawing() != moving), "it stands still")
        browser.click("button", "Pause")
        wait_until(lambda: "true" == browser.attribute(browser.find("button", "Pause"), "aria-pressed"))
        # The page draws once more after the click, some frames later.
        held, requests = wait_until_steady(page.drawing, 0.5), self.stream.figures()["requests"]
        browser.call("() => fetch('/').then(answer => answer.blob()).then(() => null)")
        page.await_card(self.stream, f"{requests + 1} answered")
        check("Pause holds it, whatever happens", page.drawing() == held, "it moved")
        browser.click("button", "Pause")
        check("and lets it go on", wait_until(lambda: page.drawing() != held), "it stands still")

    def keep_files(self):
        check, folder = self.report.check, self.browser.downloads
        for name, end in (("Save picture (PNG)", ".png"), ("Save samples (CSV)", "-samples.csv"), ("Save requests (CSV)", "-requests.csv")):
            self.browser.click("button", name)
            wait_until(lambda: any(file.stat().st_size for file in folder.glob(f"heapserve-*{end}")))
        picture = b"".join(file.read_bytes() for file in folder.glob("heapserve-*.png"))
        check("the picture is a PNG", picture.startswith(b"\x89PNG\r\n") and len(picture) > 10_000, len(picture))
        samples, requests = (self.rows(folder, what) for what in ("samples", "requests"))
        heaps = [int(row["live_bytes"]) for row in samples if row["mode"] == "buffer"]
        check("the samples have buffer's top", max(heaps, default=0) >= VIEWERS * FILE_MIB * MIB, max(heaps, default=0))
        whole = [row for row in requests if row["sent_bytes"] == str(FILE_MIB * MIB)]
        check("the requests have all viewers", len(whole) >= 2 * VIEWERS, len(whole))

    @staticmethod
    def rows(folder, what):
        with open(next(folder.glob(f"heapserve-*-{what}.csv")), newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def keyboard_alone(self):
        browser, page, check = self.browser, self.page, self.report.check
        browser.reload()
        for server in (self.stream, self.buffer):
            page.await_card(server, "live")
        count = browser.find("spinbutton", "Viewers")
        check("Tab reaches the number of viewers", browser.tab_to(count), "it does not")
        browser.press("End", "Backspace", "Backspace", "3")
        page.choose_rate("as fast as it goes")
        page.choose("button", "Start", "Enter")
        said = self.await_end()
        check("three viewers watch by keyboard alone", said.count("3 of 3 viewers got the whole file") == 2, said)
        # Stop works whatever stands in the fields.
        page.choose_rate("1 MiB/s")
        page.choose("button", "Start", "Enter")
        wait_until(lambda: self.stream.figures()["in_flight"] == 3)
        browser.tab_to(browser.find("spinbutton", "Viewers"))
        browser.press("End", "Backspace")
        page.choose("button", "Stop", "Enter")
        said = self.await_end()
        check("and stop, with the number cleared", said.startswith("Stopped.") and "3 stopped" in said, said)
        self.await_rest()

    def restart_in_the_other_mode(self):
        page, check = self.page, self.report.check
        port, others, before = self.buffer.port, self.buffer, page.coloured("buffer")
        self.stream.kill()
        card = page.await_card(self.stream, "gone since")
        check("a server that is gone is said to be, and since when", re.search(r"gone since \d\d:\d\d:\d\d", card), card)
        others.stop()
        page.await_card(others, "gone since")
        self.buffer = self.start("stream", port)
        card = page.await_card(self.buffer, "live", f"process {self.buffer.pid}")
        check("on the same port it is back in the other mode", "stream" in card and "buffer" not in card, card)
        check("its peak is its own", page.heap_mib(self.buffer, "Since start") < 3, card)
        after = page.coloured("buffer")
        check("what buffer did keeps its colour", after > before * 0.5 > 0, f"{before} pixels before, {after} now")
        read = page.highest_read("buffer")
        check("and its figures", read >= 3 * FILE_MIB * 0.99, f"{read} MiB")
