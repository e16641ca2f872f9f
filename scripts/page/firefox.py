"""Firefox, which speaks WebDriver BiDi by itself: JSON over a WebSocket."""

import base64
import json
import re
import subprocess

import process
from browser import Browser
from waiting import PATIENCE_SECONDS
from websocket import WebSocket

NAME = "Firefox"
PROGRAMS = ["firefox-esr"]
PREFERENCES = {
    "browser.download.folderList": 2, "browser.download.useDownloadDir": True, "datareporting.policy.dataSubmissionEnabled": False,
    "browser.shell.checkDefaultBrowser": False, "app.update.enabled": False, "media.autoplay.default": 0,
    "browser.download.alwaysOpenPanel": False, "app.normandy.enabled": False, "browser.startup.page": 0,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False, "toolkit.telemetry.enabled": False,
    "services.settings.server": "data:,", "extensions.getAddons.cache.enabled": False, "browser.safebrowsing.update.enabled": False,
    "browser.region.network.url": "", "media.gmp-manager.url": "data:,",
}


class Firefox(Browser):
    def __init__(self, folder):
        self.downloads = folder / "downloads"
        profile = folder / "profile"
        profile.mkdir(parents=True)
        preferences = {**PREFERENCES, "browser.download.dir": str(self.downloads)}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
        (profile / "user.js").write_text("".join(lines))
        command = ["firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"]
        self.program = process.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        port = process.first_match(self.program.stderr, re.compile(r"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)"))
        self.socket = WebSocket(int(port), "/session", PATIENCE_SECONDS)
        self.asked, self.told = 0, []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        # The first tab never gets the focus, so that keys would press no button there.
        self.context = self.ask("browsingContext.create", type="tab")["context"]
        self.ask("browsingContext.setViewport", context=self.context, viewport={"width": 1280, "height": 900})

    def ask(self, method, **parameters):
        self.asked += 1
        self.socket.send(json.dumps({"id": self.asked, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.receive())
            if message.get("method") == "log.entryAdded":
                self.told.append(message["params"])
            if message.get("id") == self.asked:
                break
        if message["type"] == "error":
            raise RuntimeError(f"{message['error']}: {message['message'].splitlines()[0]}")
        return message["result"]

    def open(self, url):
        self.ask("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def reload(self):
        self.ask("browsingContext.reload", context=self.context, wait="complete")

    def call(self, function, *arguments):
        """The result of a JavaScript function; it may be a promise."""
        given = [value if isinstance(value, dict) else {"type": "string", "value": value} for value in arguments]
        answer = self.ask(
            "script.callFunction", functionDeclaration=f"async (...given) => JSON.stringify(await ({function})(...given)) ?? 'null'",
            arguments=given, target={"context": self.context}, awaitPromise=True,
        )
        if answer["type"] != "success":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def locate(self, role, name):
        locator = {"type": "accessibility", "value": {"role": role, "name": name}}
        nodes = self.ask("browsingContext.locateNodes", context=self.context, locator=locator)["nodes"]
        found = [{"sharedId": node["sharedId"]} for node in nodes]
        return [element for element in found if self._is_shown(element)]

    def _is_shown(self, element):
        try:
            return self.call("element => element.checkVisibility()", element)
        except RuntimeError:
            return False  # It has left the page.

    def origin(self, element):
        return {"type": "element", "element": element}

    def perform(self, actions):
        self.ask("input.performActions", context=self.context, actions=actions)

    def picture(self):
        return base64.b64decode(self.ask("browsingContext.captureScreenshot", context=self.context)["data"])

    def errors(self):
        """What the console has told since the last call."""
        told, self.told = self.told, []
        return [entry["text"] for entry in told if entry["level"] in ("error", "warn")]

    def close(self):
        self.ask("browser.close")
        self.socket.close()
        process.stop(self.program)
