"""What a user does with a browser: looks for things by their role and name, reads, clicks, and types.

Selenium drives Chromium and WebKit, and Mozilla's marionette_driver drives Firefox, since Debian has no geckodriver.
"""

import os
import re
import shutil
import subprocess

from marionette_driver.errors import MarionetteException
from marionette_driver.marionette import Marionette
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.remote.command import Command
from selenium.webdriver.webkitgtk.service import Service as WebKitGTKService
from waiting import PATIENCE_SECONDS, wait_until

# WebDriver's code points for keys.
KEYS = {
    "Tab": "\ue004", "Enter": "\ue007", "End": "\ue010", "Home": "\ue011", "ArrowUp": "\ue013", "ArrowRight": "\ue014",
    "ArrowDown": "\ue015", "Backspace": "\ue003",
}
SHIFT = "\ue008"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# Where elements of a role are looked for; the driver then tells their role and name.
CANDIDATES = {
    "button": "button", "spinbutton": "input[type=number]", "combobox": "select", "radio": "input[type=radio]",
    "slider": "[role=slider]", "alert": "[role=alert]", "region": "section", "list": "ul", "form": "form",
}
WIDTH, HEIGHT = 1280, 900


class Browser:
    """A browser of one kind adds open(), run(), perform(), role_and_name(), errors() and close()."""

    downloads = None  # The folder; None where files cannot be saved without a dialog.
    roles = {}  # What the driver calls a role, where that is not its name.

    def reload(self):
        self.driver.refresh()

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def call(self, function, *arguments):
        """The result of a JavaScript function; it may be a promise."""
        return self.run(f"""const done = arguments[arguments.length - 1];
            Promise.resolve(({function})(...[...arguments].slice(0, -1))).then(done);""", arguments)

    def locate(self, role, name):
        return [element for element in self.find_all(CANDIDATES[role]) if self._is(element, role, name)]

    def _is(self, element, role, name):
        try:
            return self.role_and_name(element) == (self.roles.get(role, role), name) and element.is_displayed()
        except (WebDriverException, MarionetteException):
            return False  # It has left the page.

    def find(self, role, name):
        """The element with this role and accessible name. Waits for it; raises if it does not come."""
        found = []
        if not wait_until(lambda: found.extend(self.locate(role, name)) or found):
            raise RuntimeError(f"there is no {role} “{name}”")
        return found[0]

    def has(self, role, name):
        return bool(self.locate(role, name))

    def text(self, element):
        """What a user reads there."""
        return self.call("element => element.innerText", element)

    def read(self, role, name):
        """What a user reads in the element with this role and name; nothing if there is none."""
        found = self.locate(role, name)
        return self.text(found[0]) if found else ""

    def attribute(self, element, name):
        return self.call("(element, name) => element.getAttribute(name)", element, name)

    def is_focused(self, element):
        return self.call("element => document.activeElement === element", element)

    def point_at(self, element, across=0.5, down=0.5, press=False):
        """Moves the pointer to a place in the element, given as parts of its width and height."""
        width, height = self.call("""element => {
            element.scrollIntoView({ block: 'nearest' });
            const { width, height } = element.getBoundingClientRect(); return [width, height];
        }""", element)
        x, y = round((across - 0.5) * width), round((down - 0.5) * height)
        actions = [{"type": "pointerMove", "duration": 0, "x": x, "y": y, "origin": {ELEMENT: element.id}}]
        if press:
            actions += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self.perform({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions})

    def click(self, role, name):
        self.point_at(self.find(role, name), press=True)

    def press(self, *keys, shift=False):
        """Presses keys: names of KEYS, or characters."""
        codes = [KEYS.get(key, key) for key in keys]
        strokes = [{"type": kind, "value": code} for code in codes for kind in ("keyDown", "keyUp")]
        if shift:
            strokes = [{"type": "keyDown", "value": SHIFT}, *strokes, {"type": "keyUp", "value": SHIFT}]
        self.perform({"type": "key", "id": "keyboard", "actions": strokes})

    def tab_to(self, element, most=40):
        """Presses Tab, or Shift and Tab, until the element has the focus. Not all around: the browser's own buttons are
        between the end of a page and its beginning."""
        behind = """element => document.activeElement !== document.body && Boolean(
            element.compareDocumentPosition(document.activeElement) & Node.DOCUMENT_POSITION_FOLLOWING)"""
        for _ in range(most):
            if self.is_focused(element):
                return True
            self.press("Tab", shift=self.call(behind, element))
        return self.is_focused(element)


class SeleniumBrowser(Browser):
    def start(self, driver):
        self.driver = driver
        driver.set_script_timeout(PATIENCE_SECONDS)
        driver.set_page_load_timeout(PATIENCE_SECONDS)

    def open(self, url):
        self.driver.get(url)

    def run(self, script, arguments):
        return self.driver.execute_async_script(script, *arguments)

    def role_and_name(self, element):
        return element.aria_role, element.accessible_name.strip()

    def perform(self, source):
        self.driver.execute(Command.W3C_ACTIONS, {"actions": [source]})

    def picture(self):
        return self.driver.get_screenshot_as_png()

    def close(self):
        self.driver.quit()


class Chromium(SeleniumBrowser):
    def __init__(self, folder, *arguments):
        self.downloads = folder / "downloads"
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            "--autoplay-policy=no-user-gesture-required", f"--window-size={WIDTH},{HEIGHT}", *arguments,
        ):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"download.default_directory": str(self.downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.start(webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))))

    def errors(self):
        """What the console has told since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def show_as(self, width, height, scheme, zoom=1):
        """Makes the window so large in pixels, with the browser's zoom, and the page light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        metrics = {"width": width // zoom, "height": height // zoom, "deviceScaleFactor": zoom, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


class WebKit(SeleniumBrowser):
    """WebKitGTK, the nearest to Safari. It needs a display, which Xvfb stands in for."""

    roles = {"spinbutton": "textbox", "combobox": "button"}

    def __init__(self, folder):
        read, write = os.pipe()
        self.display = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"],
            stderr=subprocess.DEVNULL, pass_fds=[write],
        )
        os.close(write)
        try:
            with open(read, encoding="ascii") as number:
                display = number.readline().strip()
            environment = {
                **os.environ, "DISPLAY": f":{display}", "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "HOME": str(folder),
                "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
                # Its sandbox needs user namespaces, which containers do not give; the page is our own.
                "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
            }
            service = WebKitGTKService(shutil.which("WebKitWebDriver"), env=environment)
            self.start(webdriver.WebKitGTK(webdriver.WebKitGTKOptions(), service))
        except BaseException:
            self.display.kill()
            raise

    def errors(self):
        """The driver does not tell what the console has."""
        return None

    def close(self):
        try:
            super().close()
        finally:
            self.display.kill()
            self.display.wait()


class Firefox(Browser):
    preferences = {
        "browser.download.folderList": 2, "browser.download.useDownloadDir": True, "media.autoplay.default": 0,
        "browser.download.alwaysOpenPanel": False, "app.normandy.enabled": False, "network.proxy.type": 0,
        # The console of the page goes to the log.
        "devtools.console.stdout.content": True, "devtools.console.stdout.chrome": False, "browser.dom.window.dump.enabled": True,
    }

    def __init__(self, folder):
        self.downloads, self.log, self.told = folder / "downloads", folder / "log", 0
        preferences = {**self.preferences, "browser.download.dir": str(self.downloads)}
        self.driver = Marionette(
            app="fxdesktop", bin=shutil.which("firefox-esr"), port=0, headless=True, prefs=preferences, workspace=str(folder),
            gecko_log=str(self.log),
        )
        self.driver.start_session()
        self.driver.timeout.script = self.driver.timeout.page_load = PATIENCE_SECONDS
        self.driver.set_window_rect(width=WIDTH, height=HEIGHT)

    def open(self, url):
        self.driver.navigate(url)

    def run(self, script, arguments):
        return self.driver.execute_async_script(script, arguments, sandbox=None)

    def role_and_name(self, element):
        return element.computed_role, element.computed_label.strip()

    def perform(self, source):
        self.driver.actions.perform([source])

    def picture(self):
        return self.driver.screenshot(format="binary", full=False)

    def errors(self):
        """What the console has told since the last call."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(self.told)
            lines, self.told = log.read().splitlines(), log.tell()
        return [line for line in lines if re.match(r"console\.(error|warn): (?!RSLoader)|JavaScript (error|warning): (http|data:)", line)]

    def close(self):
        self.driver.cleanup()


BROWSERS = {"chromium": Chromium, "firefox": Firefox, "webkit": WebKit}
