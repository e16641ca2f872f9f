"""The page at each size that people use: nothing is cut, covered, too faint or out of the window."""

import re
from itertools import product
from pathlib import Path

import axe_core_python
from page import Page

# The rules of WCAG 2 (A and AA), and others of axe-core, that elements break, such as a contrast that is too low.
INACCESSIBLE = """async () => {
  const options = { runOnly: ['wcag2a', 'wcag2aa', 'best-practice'], resultTypes: ['violations'] };
  const { violations } = await axe.run(options);
  const tell = ({ target, failureSummary }) => `${target} ${failureSummary}`;
  return violations.flatMap(({ nodes }) => nodes.map(tell)).slice(0, 5);
}"""

# What is cut off or covers other text: texts that are wider than their box, that cross each other, or leave the window.
CROWDED = """() => {
  const shown = [], faults = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const overlap = (a, b) => {
    const left = Math.max(a.left, b.left), width = Math.min(a.right, b.right) - left;
    const top = Math.max(a.top, b.top), height = Math.min(a.bottom, b.bottom) - top;
    return new DOMRect(left, top, Math.max(0, width), Math.max(0, height));
  };
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement, style = getComputedStyle(element), text = node.data.trim().slice(0, 30);
    if (!text || element.closest('.only-read-aloud, select')) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (let box of range.getClientRects()) {
      const card = element.closest('.server')?.getBoundingClientRect();
      if (box.right > card?.right + 1 || box.bottom > card?.bottom + 1) faults.push(`outside its card: ${text}`);
      for (let at = element; at !== document.body; at = at.parentElement)
        if (getComputedStyle(at).overflowX !== 'visible') box = overlap(box, at.getBoundingClientRect());
      if (box.width && box.height) shown.push({ element, box, text });
    }
    const isClipped = style.overflowX === 'hidden' && style.textOverflow !== 'ellipsis';
    if (isClipped && element.scrollWidth > element.clientWidth + 1) faults.push(`cut: ${text}`);
  }
  shown.forEach((a, i) => {
    if (a.box.left < -1 || a.box.right > innerWidth + 1) faults.push(`outside: ${a.text}`);
    for (const b of shown.slice(i + 1)) {
      const both = overlap(a.box, b.box);
      // The box of a large letter has room above and below it.
      const isCovered = both.width > 1 && both.height > 0.4 * Math.min(a.box.height, b.box.height);
      if (isCovered && a.element !== b.element) faults.push(`${a.text} covers ${b.text}`);
    }
  });
  for (const { scrollWidth, clientWidth, localName } of document.querySelectorAll('html, .scroll'))
    if (scrollWidth > clientWidth) faults.push(`${localName} scrolls: ${scrollWidth} > ${clientWidth}`);
  for (const select of document.querySelectorAll('select')) {
    const copy = document.body.appendChild(select.cloneNode(true));
    copy.style = `width: auto; position: absolute; font: ${getComputedStyle(select).font}`;
    if (copy.offsetWidth > select.offsetWidth + 1) faults.push(`cut: ${select.selectedOptions[0].text}`);
    copy.remove();
  }
  return [...new Set(faults)].slice(0, 5);
}"""

FAULTS = {"texts can be read, and controls be used (WCAG)": INACCESSIBLE,
          "nothing is cut or covered, or scrolls sideways": CROWDED}

# The lesson is in the window, and below it the chart with its end; what is not so.
APART = """() => {
  const [lesson, chart] = ['#lesson', '#plot'].map(id => document.querySelector(id).getBoundingClientRect());
  const isRight = lesson.top >= 0 && chart.top >= lesson.bottom - 1 && chart.bottom <= innerHeight + 1;
  return isRight ? '' : `lesson ${lesson.top}, ${lesson.bottom}; chart ${chart.top}, ${chart.bottom} of ${innerHeight}`;
}"""
DRAWN = "() => new Promise(done => { scrollTo(0, 0); requestAnimationFrame(() => requestAnimationFrame(done)); })"

# Width and height of the window in pixels, and the browser's zoom.
SIZES = [(320, 568, 1), (390, 844, 1), (568, 320, 1), (768, 1024, 1), (1024, 768, 1), (1100, 800, 1), (1280, 800, 1),
         (1280, 800, 2), (1920, 1080, 1), (2560, 1440, 1)]
# More widths, with more to tell: viewers that were refused, and figures since a reset.
WIDTHS = [320, 340, 360, 390, 414, 480, 568, 640, 700, 768, 800, 900, 961, 1024, 1100, 1199, 1201, 1280, 1366, 1440,
          1600, 1920, 2200, 2560]


class Layout(Page):
    def run(self, pictures):
        with self.serve("stream") as stream, self.serve("buffer") as buffer:
            self.open_both(stream, buffer)
            for scheme, (width, height, zoom) in product(("light", "dark"), SIZES):
                name = f"{scheme}-{width}x{height}-{zoom}00"
                self.show_as(width, height, scheme, zoom)
                if scheme == "light":
                    self.start(name)
                self.size(name)
                (pictures / f"{name}.png").write_bytes(self.browser.picture())
        with self.serve("stream") as stream, self.serve("buffer", "--heap-limit", "20M") as limited:
            self.open_both(stream, limited)
            self.browser.click("button", "Reset")
            self.browser.click("button", "Start")
            self.see("viewers that are refused are counted", "lesson", re.compile(r"buffer refused \d+ of 20 requests"))
            for width in WIDTHS:
                self.show_as(width, 800)
                self.size(f"refused-{width}")

    def open_both(self, stream, buffer):
        self.browser.open(f"{stream.url}heap?with=localhost:{buffer.port}")
        self.comes(buffer, "live")
        self.choose_rate("full speed")
        axe = Path(axe_core_python.__file__).with_name("axe.min.js")
        self.browser.driver.execute_script(axe.read_text(encoding="utf-8"))

    def show_as(self, width, height, scheme="light", zoom=1):
        """Makes the window so large in pixels, with the browser's zoom, and the page light or dark."""
        command = self.browser.driver.execute_cdp_cmd
        command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        command("Emulation.setDeviceMetricsOverride", {
            "width": width // zoom, "height": height // zoom, "deviceScaleFactor": zoom, "mobile": width < 600})

    def start(self, name):
        """What a user sees after Start without scrolling, during the load and after it."""
        self.browser.click("button", "Reset")
        self.comes("lesson", "Press Start")
        self.browser.call("() => scrollTo(0, 0)")
        place = lambda: self.browser.call("() => document.querySelector('#cards').offsetTop")
        before = place()
        self.browser.click("button", "Start")
        for when in ("during", "after"):
            apart = self.browser.call(APART)
            self.check(f"the sentence and the chart are seen together {when} the load, {name}", not apart, apart)
            # A run ends a second after its last answer, and then the sentence is longest.
            self.comes("progress", "Done")
            self.comes("lesson", "first byte")
        self.check(f"the sentence moves nothing, {name}", place() == before, f"from {before} px to {place()}")

    def size(self, name):
        self.browser.call(DRAWN)
        for what, faults in FAULTS.items():
            found = self.browser.call(faults)
            self.check(f"{what}, {name}", not found, found)
