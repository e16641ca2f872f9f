"""The live page as a user reads it."""

import re

from waiting import wait_until

MIB = 1 << 20
CHART = "Time in the chart"
RATES = ["1 MiB/s", "2 MiB/s", "4 MiB/s", "8 MiB/s", "16 MiB/s", "as fast as it goes"]
UNITS = {"B": 1, "K": 1 << 10, "M": MIB, "G": 1 << 30}
MIB_TEXT = r"([\d,]+\.\d+) MiB"


def number(text):
    return float(text.replace(",", ""))


class Page:
    def __init__(self, browser):
        self.browser = browser

    def card(self, server):
        """What the card of a server says; nothing if it has none."""
        return self.browser.read("region", f"Server {server.origin}")

    def await_card(self, server, *words):
        """Waits until the card has all these words. Returns what it says."""
        wait_until(lambda: all(word in self.card(server) for word in words))
        return self.card(server)

    def figures(self, server):
        """The table of its card, as {row: [texts]}."""
        card = self.browser.find("region", f"Server {server.origin}")
        rows = "card => [...card.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
        return {row[0]: row[1:] for row in self.browser.call(rows, card)}

    def heap_mib(self, server, row):
        """A heap of its card in MiB; 0 where there is none yet."""
        figure = re.fullmatch(r"([\d,.]+)([BKMG])", self.figures(server)[row][0])
        return number(figure[1]) * UNITS[figure[2]] / MIB if figure else 0

    def lesson(self):
        return self.browser.read("region", "The lesson")

    def progress(self):
        """What the form says about the viewers."""
        form = self.browser.find("form", "Let viewers watch")
        return self.browser.call("form => form.querySelector('output').innerText", form)

    def received_mib(self, mode):
        """How much the viewers of a mode have received, in MiB, as the form says."""
        found = re.search(rf"{mode}: [^;]*; ([\d,.]+) of [\d,.]+ MiB", self.progress())
        return number(found[1]) if found else 0

    def choose(self, role, name, *keys):
        """Gives something the focus as a user does with Tab, and presses keys."""
        element = self.browser.find(role, name)
        self.browser.tab_to(element)
        self.browser.press(*keys)
        return element

    def choose_rate(self, text):
        """Chooses a rate with the arrow keys."""
        self.choose("combobox", "each at", *["ArrowUp"] * len(RATES), *["ArrowDown"] * RATES.index(text))

    def reading(self):
        """What the chart says about the time under its cursor."""
        return self.browser.attribute(self.browser.find("slider", CHART), "aria-valuetext")

    def highest_read(self, mode):
        """The highest heap of a mode in MiB that the arrow keys find in the chart."""
        chart = self.browser.find("slider", CHART)
        self.browser.tab_to(chart)
        self.browser.press("Home")
        highest = 0
        for _ in range(60):
            found = [number(text) for text in re.findall(rf"{mode}: heap {MIB_TEXT}", self.reading())]
            highest = max(highest, *found, 0)
            self.browser.press("ArrowRight")
        return highest

    def coloured(self, look):
        """How many pixels of the chart have the colour of a mode."""
        count = """(chart, look) => {
          const canvas = chart.querySelector('canvas');
          const [pen, probe] = [0, 1].map(() => document.createElement('canvas').getContext('2d', { willReadFrequently: true }));
          [pen.canvas.width, pen.canvas.height] = [canvas.width, canvas.height];
          pen.drawImage(canvas, 0, 0);
          probe.fillStyle = getComputedStyle(document.body).getPropertyValue('--' + look);
          probe.fillRect(0, 0, 1, 1);
          const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
          const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
          let same = 0;
          for (let i = 0; i < data.length; i += 4) {
            if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) same++;
          }
          return same;
        }"""
        return self.browser.call(count, self.browser.find("slider", CHART), look)

    def drawing(self):
        """The chart's pixels, as a text."""
        return self.browser.call("chart => chart.querySelector('canvas').toDataURL()", self.browser.find("slider", CHART))
