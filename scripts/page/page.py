"""The live page as a user reads it, and checks of what is read."""

import random
import re
import socket
from contextlib import suppress

from program import HEAPSERVE
from selenium.webdriver import Keys
from server import Server
from waiting import wait_until

MIB = 1 << 20
# Parts of the page, by role and name where they have these.
PARTS = {"alert": ("alert", ""), "chart": ("slider", "Time in the chart"), "legend": ("list", "Legend"),
         "lesson": ("region", "The lesson"), "missing": ("region", "Both modes side by side"),
         "body": "body", "cards": "#cards", "progress": "form output", "room": "#room", "rows": "#rows"}
RATES = ["1 MiB/s", "2 MiB/s", "4 MiB/s", "8 MiB/s", "16 MiB/s", "full speed"]
UNITS = {"B": 1, "K": 1 << 10, "M": MIB, "G": 1 << 30}
MIB_TEXT = r"([\d,]+\.\d+) MiB"


def number(text):
    return float(text.replace(",", ""))


def two_free_ports():
    """The first of two free ports in a row."""
    for _ in range(20):
        # Not one of those that systems give to connections, which could take the next port at any time.
        port = random.randrange(10_000, 30_000, 2)
        with suppress(OSError):
            for each in (port, port + 1):
                socket.create_server(("::", each), family=socket.AF_INET6, dualstack_ipv6=True).close()
            return port
    raise RuntimeError("no two free ports in a row")


def sparse_file(path, size):
    """Makes a file of this size, which takes no room on the disk. Returns its path."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def has(found, wanted):
    """Whether a text has a word or a pattern, or something of any type is what a function demands."""
    if callable(wanted):
        return wanted(found)
    return re.search(wanted, found) if isinstance(wanted, re.Pattern) else wanted in found


class Page:
    def __init__(self, browser, file, report):
        self.browser, self.file, self.check = browser, file, report.check

    def read(self, part):
        """What a user reads in one of PARTS, or in the card of a server; nothing where it is not there. `part` may also
        be a function, which reads."""
        if callable(part):
            return part()
        return self.browser.read(("region", f"Server {part.origin}") if isinstance(part, Server) else PARTS[part])

    def comes(self, part, *wanted):
        """Waits until a part has all that is wanted: words, patterns or functions. Returns whether it has, and what was
        read at last."""
        found = []
        is_all = lambda: found.append(self.read(part)) or all(has(found[-1], each) for each in wanted)
        return wait_until(is_all) is not None, found[-1]

    def see(self, what, part, *wanted):
        """Checks that it comes. Returns what was read at last."""
        right, found = self.comes(part, *wanted)
        self.check(what, right, found)
        return found

    def silent(self, when):
        if (told := self.browser.errors()) is not None:
            self.check(f"the console is silent {when}", not told, told)

    def serve(self, mode, *options, port=0, file=None):
        return Server(HEAPSERVE, file or self.file, "--mode", mode, *options, port=port)

    def heap_mib(self, server, row):
        """A heap of its card in MiB; 0 where there is none yet."""
        figure = re.search(rf"^{row}\s+([\d,.]+)([BKMG])\s", self.read(server), re.MULTILINE)
        return number(figure[1]) * UNITS[figure[2]] / MIB if figure else 0

    def watch(self, rate):
        """Starts the viewers, each at that rate."""
        self.choose_rate(rate)
        self.browser.click("button", "Start")

    def choose_rate(self, text):
        """Chooses a rate with the arrow keys."""
        keys = len(RATES) * Keys.ARROW_UP + RATES.index(text) * Keys.ARROW_DOWN
        self.browser.choose("combobox", "each at", keys)

    def highest_read(self, mode):
        """The highest heap of a mode in MiB that the arrow keys find in the chart, which is held meanwhile."""
        chart, readings = self.browser.find(*PARTS["chart"]), []
        self.browser.click("button", "Pause")
        self.browser.choose(*PARTS["chart"], Keys.HOME)
        for _ in range(60):
            readings += re.findall(rf"{mode}: heap {MIB_TEXT}", chart.get_dom_attribute("aria-valuetext"))
            chart.send_keys(Keys.ARROW_RIGHT)
        # With a key: in WebKit, Shift and Tab do not leave a button whose text was clicked (its bug 316027).
        self.browser.choose("button", "Pause", Keys.ENTER)
        return max(map(number, readings), default=0)

    def coloured(self, look):
        """How many pixels of the chart have the colour of a mode."""
        return self.browser.call("""look => {
          const chart = document.querySelector('#chart'), { width, height } = chart;
          // On a copy: Chromium warns in the console of a canvas that is read again.
          const pen = new OffscreenCanvas(width, height).getContext('2d');
          pen.drawImage(chart, 0, 0);
          const pixels = new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer);
          const [red, green, blue] = getComputedStyle(document.body).getPropertyValue('--' + look).match(/\\w\\w/g);
          return pixels.filter(pixel => pixel === Number(`0xff${blue}${green}${red}`)).length;
        }""", look)
