"""What a user does with a browser: looks for things by role and name, reads, clicks, and types. Selenium drives all."""

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress

from program import Running
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.wait import WebDriverWait
from selenium.webdriver.webkitgtk.service import Service as WebKitGTKService
from waiting import PATIENCE_SECONDS, POLL_SECONDS

# Where elements of a role are looked for; the driver then tells their role and name.
CANDIDATES = {
    "button": "button", "spinbutton": "input[type=number]", "combobox": "select", "radio": "input[type=radio]",
    "slider": "[role=slider]", "alert": "[role=alert]", "region": "section", "list": "ul", "form": "form",
}
WIDTH, HEIGHT = 1280, 900
PRECEDING = 2  # Node.DOCUMENT_POSITION_PRECEDING in the DOM.
# Not that of most machines: a time that the page tells in another zone is wrong.
os.environ["TZ"] = "Asia/Tokyo"
time.tzset()


class Browser:
    """`errors` returns what the console has told since the last call; None where the driver does not tell it.
    `downloads` is a folder; None where files cannot be saved without a dialog. `roles` has what the driver calls a role
    by another name."""

    def __init__(self, driver, errors=lambda: None, downloads=None, roles=()):
        self.driver, self.errors, self.downloads, self.roles = driver, errors, downloads, dict(roles)
        self.open, self.reload, self.picture = driver.get, driver.refresh, driver.get_screenshot_as_png
        driver.set_script_timeout(PATIENCE_SECONDS)
        driver.set_page_load_timeout(PATIENCE_SECONDS)

    def call(self, function, *arguments):
        """The result of a JavaScript function; it may be a promise."""
        return self.driver.execute_script(f"return ({function})(...arguments)", *arguments)

    def matching(self, selector):
        """The elements that match it. WebKit's driver fails if one of them leaves the page while it lists them; it is
        then asked again."""
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS, POLL_SECONDS, [StaleElementReferenceException])
        return wait.until(lambda driver: [driver.find_elements("css selector", selector)])[0]

    def locate(self, role, name):
        return [element for element in self.matching(CANDIDATES[role]) if self._is(element, role, name)]

    def _is(self, element, role, name):
        with suppress(WebDriverException):  # It has left the page.
            is_named = element.accessible_name.strip() == name
            return is_named and element.aria_role == self.roles.get(role, role) and element.is_displayed()

    def find(self, role, name):
        """The first element with this role and accessible name. Waits for it; raises if it does not come."""
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS)
        return wait.until(lambda _: self.locate(role, name), f"there is no {role} “{name}”")[0]

    def read(self, place):
        """What a user reads in an element, given by role and name or by a CSS selector; nothing if there is none."""
        is_named = isinstance(place, tuple)
        for element in self.locate(*place) if is_named else self.matching(place):
            with suppress(WebDriverException):  # It has left the page.
                return element.get_property("innerText")
        return ""

    def point_at(self, element):
        """Moves the pointer to the middle of the element."""
        self.call("element => element.scrollIntoView({ block: 'nearest' })", element)
        ActionChains(self.driver, duration=0).move_to_element(element).perform()

    def click(self, role, name):
        self.find(role, name).click()

    def choose(self, role, name, *keys, most=40):
        """Gives an element the focus with Tab, or Shift and Tab, and presses keys. Not all around: the browser's own
        buttons are between the end of a page and its beginning. Raises if Tab does not get there."""
        element = self.find(role, name)
        position = self.call("element => document.activeElement.compareDocumentPosition(element)", element)
        shift = Keys.SHIFT if position & PRECEDING else ""
        for _ in range(most):
            focused = self.driver.switch_to.active_element
            if focused == element:
                return element.send_keys(*keys)
            focused.send_keys(shift + Keys.TAB)
        raise RuntimeError(f"Tab does not reach “{name}”")


@contextmanager
def chromium(folder, *arguments):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={WIDTH},{HEIGHT}",
                     "--mute-audio", "--autoplay-policy=no-user-gesture-required", *arguments):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))) as driver:
        told = lambda: [each["message"] for each in driver.get_log("browser") if each["level"] in ("SEVERE", "WARNING")]
        yield Browser(driver, told, folder / "downloads")


@contextmanager
def firefox(folder):
    options = webdriver.FirefoxOptions()
    options.binary_location = shutil.which("firefox-esr")
    options.add_argument("--headless")
    for name, value in {
        "browser.download.dir": str(folder / "downloads"), "browser.download.folderList": 2,
        # The panel of downloads would take the keys.
        "browser.download.alwaysOpenPanel": False,
        # The console of the page goes to the log, and not that of the browser.
        "browser.dom.window.dump.enabled": True,
        "devtools.console.stdout.content": True, "devtools.console.stdout.chrome": False,
    }.items():
        options.set_preference(name, value)
    service = webdriver.FirefoxService(shutil.which("geckodriver"), log_output=str(folder / "log"))
    is_error = re.compile(r"console\.(error|warn): (?!RSLoader)|JavaScript (error|warning): (http|data:)").match
    with webdriver.Firefox(options, service) as driver, open(folder / "log", encoding="utf-8", errors="replace") as log:
        driver.set_window_size(WIDTH, HEIGHT)
        yield Browser(driver, lambda: list(filter(is_error, log.read().splitlines())), folder / "downloads")


@contextmanager
def webkit(folder):
    """WebKitGTK, the nearest to Safari. It needs a display, which Xvfb stands in for."""
    xvfb = ("Xvfb", "-displayfd", "1", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp")
    with Running(*xvfb, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as display:
        environment = {
            **os.environ, "DISPLAY": f":{display.process.stdout.readline().strip()}", "GDK_BACKEND": "x11",
            "HOME": str(folder), "NO_AT_BRIDGE": "1",
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
            # Its sandbox needs user namespaces, which containers do not give; the page is our own.
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        }
        service = WebKitGTKService(shutil.which("WebKitWebDriver"), env=environment)
        with webdriver.WebKitGTK(webdriver.WebKitGTKOptions(), service) as driver:
            yield Browser(driver, roles={"spinbutton": "textbox", "combobox": "button"})


BROWSERS = {"chromium": chromium, "firefox": firefox, "webkit": webkit}
