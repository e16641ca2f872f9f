"""A browser behind a driver that speaks W3C WebDriver: plain HTTP and JSON."""

import base64
import json
import urllib.error
import urllib.request

from browser import Browser
from waiting import PATIENCE_SECONDS, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# Where elements of a role are looked for; the driver then tells their role and name.
CANDIDATES = {
    "button": "button", "spinbutton": "input[type=number]", "combobox": "select", "radio": "input[type=radio]",
    "slider": "[role=slider]", "alert": "[role=alert]", "status": "output, [role=status]", "table": "table",
    "region": "section", "progressbar": "progress", "list": "ul", "form": "form",
}
# Straight to the driver, whatever proxy the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ClassicBrowser(Browser):
    # What the driver calls a role, where that is not its name.
    roles = {}

    def connect(self, port, capabilities):
        """Opens the session, as soon as the driver listens."""
        self.at = f"http://127.0.0.1:{port}"
        if not wait_until(self._is_ready):
            raise RuntimeError("the driver is not ready")
        session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.at += f"/session/{session['sessionId']}"

    def _is_ready(self):
        try:
            return self.ask("GET", "/status")
        except OSError:
            return False

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.at + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with _opener.open(request, timeout=PATIENCE_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise RuntimeError(f"{value['error']}: {value['message'].split(chr(10))[0]}") from None

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def reload(self):
        self.ask("POST", "/refresh", {})

    def call(self, function, *arguments):
        """The result of a JavaScript function; it may be a promise."""
        script = f"const done = arguments[arguments.length - 1]; Promise.resolve(({function})(...arguments)).then(done);"
        return self.ask("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def locate(self, role, name):
        found = self.ask("POST", "/elements", {"using": "css selector", "value": CANDIDATES[role]})
        return [element for element in found if self._is(element, role, name)]

    def _is(self, element, role, name):
        at = f"/element/{element[ELEMENT]}"
        try:
            named = self.ask("GET", f"{at}/computedlabel").strip() == name and self.ask("GET", f"{at}/computedrole") == self.roles.get(role, role)
            return named and self.ask("GET", f"{at}/displayed")
        except RuntimeError:
            return False  # It has left the page.

    def origin(self, element):
        return element

    def perform(self, actions):
        for source in actions:
            if source["type"] == "pointer":
                source["parameters"] = {"pointerType": "mouse"}
        self.ask("POST", "/actions", {"actions": actions})

    def picture(self):
        return base64.b64decode(self.ask("GET", "/screenshot"))

    def close(self):
        self.ask("DELETE", "")
