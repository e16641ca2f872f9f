"""WebKitGTK, moved by WebKitWebDriver: the nearest to Safari. It needs a display, which Xvfb stands in for."""

import os
import re
import socket
import subprocess

import process
from classic import ClassicBrowser

NAME = "WebKit"
PROGRAMS = ["WebKitWebDriver", "Xvfb"]


class WebKit(ClassicBrowser):
    downloads = None  # MiniBrowser asks where to save a file.
    roles = {"spinbutton": "textbox", "combobox": "button"}

    def __init__(self, folder):
        read, write = os.pipe()
        display_server = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
        self.display = process.start(display_server, stderr=subprocess.DEVNULL, pass_fds=[write])
        os.close(write)
        with open(read, encoding="ascii") as number:
            display = process.first_match(number, re.compile(r"(\d+)"))
        environment = {
            **os.environ, "DISPLAY": f":{display}", "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "HOME": str(folder),
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
            # Its sandbox needs user namespaces, which containers do not give; the page is our own.
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        }
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.driver = process.start(
            ["WebKitWebDriver", f"--port={port}"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.connect(port, {})

    def errors(self):
        """The driver does not tell what the console has."""
        return []

    def close(self):
        super().close()
        process.stop(self.driver)
        process.stop(self.display)
