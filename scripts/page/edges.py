"""What a class and a long day do to the page: another host name, two servers in one mode, a server that stops, many tabs."""

import re
import signal
import tempfile
from pathlib import Path

from page import SIDE_BY_SIDE, Page, two_free_ports

CLASSROOM, OTHER = "teacher-pc", "other-pc"
# Tells the browser where these are.
NAMES = f"--host-resolver-rules=MAP {CLASSROOM} 127.0.0.2, MAP {OTHER} 127.0.0.2"
ROWS = "() => document.querySelector('#rows').innerText"


class Edges(Page):
    def run(self):
        for step in (self.another_host, self.two_in_one_mode, self.silent_server, self.reset, self.many_tabs, self.odd_files):
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
            self.choose_rate("as fast as it goes")
            browser.click("button", "Start")
            said = self.await_end()
            self.check("and viewers of both get the whole file", said.count("20 of 20 viewers got the whole file") == 2, said)
            self.silent("from another machine")
            browser.open(f"http://{CLASSROOM}:{port}/heap?with=http://{OTHER}:{port + 1}")
            self.see("a server that may not be read is said to answer", self.region(SIDE_BY_SIDE[1]), "does not let this page read it")
            browser.open("about:blank")
            browser.errors()  # The browser tells each answer that the page may not read.

    def two_in_one_mode(self):
        port = two_free_ports()
        with self.serve("stream", port=port), self.serve("stream", port=port + 1):
            self.browser.open(f"http://localhost:{port}/heap")
            self.see("two servers in one mode are told, with the command for the other", lambda: self.browser.call("() => document.body.innerText"),
                     "cargo run --release -- --mode buffer")
            self.browser.open("about:blank")

    def silent_server(self):
        """A server that stops without an end of its connections, as a machine does that sleeps."""
        with self.serve("stream") as server:
            self.browser.open(f"{server.url}heap")
            self.await_card(server, "live")
            self.check("a new page has missed nothing", "too fast" not in self.browser.call("() => document.body.innerText"), "it says so")
            server.process.send_signal(signal.SIGSTOP)
            try:
                self.see("a server that is silent is not live", lambda: self.card(server), re.compile(r"silent; last heard at \d\d:\d\d:\d\d"))
            finally:
                server.process.send_signal(signal.SIGCONT)
            self.see("and is live when it goes on", lambda: self.card(server), "live", lambda card: "silent" not in card)

    def reset(self):
        with self.serve("stream") as server:
            self.browser.open(f"{server.url}heap")
            self.await_card(server, "live")
            self.browser.call("() => fetch('/').then(answer => answer.blob()).then(() => null)")
            self.see("a request is in the table", lambda: self.browser.call(ROWS), "stream")
            self.browser.click("button", "Reset")
            self.see("Reset empties the table", lambda: self.browser.call(ROWS), lambda rows: "stream" not in rows)
            self.see("and counts from now on", lambda: self.card(server), re.compile(r"Since \d\d:\d\d:\d\d"))

    def many_tabs(self):
        """A browser has six connections to a host."""
        driver = self.browser.driver
        with self.serve("stream") as server:
            first = driver.current_window_handle
            for _ in range(7):
                driver.switch_to.new_window("tab")
                self.browser.open(f"{server.url}heap")
            self.see("the seventh tab is live", lambda: self.card(server), "live")
            for handle in set(driver.window_handles) - {first}:
                driver.switch_to.window(handle)
                driver.close()
            driver.switch_to.window(first)

    def odd_files(self):
        """A file whose size JavaScript's numbers cannot tell, and the last port."""
        for name, port, size in (("port 65535", 65535, 1000), ("a file of 2^53 bytes", 0, 1 << 53)):
            # A file system in memory allows such a size.
            with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                file = Path(folder) / "film.mp4"
                with file.open("wb") as empty:
                    empty.truncate(size)
                with self.serve("stream", port=port, file=file) as server:
                    self.browser.open(f"{server.url}heap")
                    self.see(f"the page works with {name}", lambda: self.card(server), "live")
                    self.browser.open("about:blank")
