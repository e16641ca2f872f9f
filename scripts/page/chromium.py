"""Chromium, moved by chromedriver."""

import re
import subprocess

import process
from classic import ClassicBrowser

NAME = "Chromium"
PROGRAMS = ["chromium", "chromedriver"]


class Chromium(ClassicBrowser):
    def __init__(self, folder):
        self.downloads = folder / "downloads"
        self.driver = process.start(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = process.first_match(self.driver.stdout, re.compile(r"on port ([1-9]\d*)"))
        options = {
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio", "--disable-sync",
                "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                "--autoplay-policy=no-user-gesture-required", "--window-size=1280,900", f"--user-data-dir={folder / 'profile'}",
            ],
            "prefs": {"download.default_directory": str(self.downloads)},
        }
        self.connect(port, {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}})

    def errors(self):
        """What the console has told since the last call."""
        entries = self.ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def _devtools(self, command, **parameters):
        self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def show_as(self, width, height, scheme):
        """Makes the page so large, and light or dark."""
        self._devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def close(self):
        super().close()
        process.stop(self.driver)
