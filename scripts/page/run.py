"""
Checks /heap, the live page, as a user would, in about five minutes, and runs the tests of its modules with Node. The
first run gets what drives the browsers, into target/page-check: two packages from PyPI, and geckodriver, which Debian
does not have, from crates.io.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
"""

import argparse
import os
import site
import subprocess
import sys
import traceback
import venv
from pathlib import Path

from program import ROOT, TARGET, cargo_build, fail, need_tools, work_folder
from report import Report
from server import stop_servers_on_signals

MADE = TARGET / "page-check"
PICTURES = MADE / "pictures"
TOOLS = {
    "chromium": ["chromium", "chromedriver:chromium-driver"],
    "firefox": ["firefox-esr"],
    "webkit": ["WebKitWebDriver:webkit2gtk-driver", "Xvfb:xvfb"],
}
PACKAGES = ["axe-core-python==0.1.0", "selenium==4.51.0"]
GECKODRIVER = "geckodriver@0.37.1"


def get_packages():
    """Makes a virtual environment, unless there is one, and goes on with its packages."""
    folder = MADE / "python"
    pip = folder / "bin" / "pip"
    try:
        if not pip.exists():
            venv.create(folder, clear=True, with_pip=True)
        subprocess.run([pip, "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"{error} (a virtual environment needs Debian's python3-venv)", 2)
    site.addsitedir(next(folder.glob("lib/python*/site-packages")))


def get_geckodriver():
    """Has it built, unless that has been done. It only passes on what is said, and so need not be fast."""
    install = ["cargo", "install", "--quiet", "--locked", "--debug", "--root", MADE, GECKODRIVER]
    if subprocess.run(install, env={**os.environ, "CARGO_PROFILE_DEV_DEBUG": "0"}, check=False).returncode:
        fail(f"{GECKODRIVER} cannot be built; the reason is above")
    os.environ["PATH"] = f"{MADE / 'bin'}{os.pathsep}{os.environ['PATH']}"


def check(kind, folder, report):
    """All that is checked in one browser. What it shows at the end, or where it fails, is kept as a picture."""
    from browser import BROWSERS
    from edges import NAMES, Edges
    from journey import FILE_MIB, Journey
    from layout import Layout
    from page import sparse_file

    folder.mkdir()
    # Small, so that it takes seconds. Its end says that there is a video, which a page without one hides.
    file = sparse_file(folder / "film.mp4", FILE_MIB << 20)
    with BROWSERS[kind](folder, *([NAMES] if kind == "chromium" else [])) as browser:
        try:
            Journey(browser, file, report).run()
        finally:
            (PICTURES / f"{kind}.png").write_bytes(browser.picture())
        if kind == "chromium":
            Layout(browser, file, report).run(PICTURES)
            Edges(browser, file, report).run()


def main():
    parser = argparse.ArgumentParser(prog="check-page.sh", description=__doc__)
    parser.add_argument("browsers", nargs="*", choices=["all", *TOOLS], default="all", help="default: all")
    chosen = parser.parse_args().browsers
    browsers = list(TOOLS) if "all" in chosen else chosen
    need_tools("cargo", "node:nodejs", *(tool for browser in browsers for tool in TOOLS[browser]))
    get_packages()
    if "firefox" in browsers:
        get_geckodriver()
    stop_servers_on_signals()
    PICTURES.mkdir(parents=True, exist_ok=True)
    cargo_build()
    tables = sorted((ROOT / "tests" / "page").glob("*.mjs"))
    modules = subprocess.run(["node", "--test", *tables], check=False).returncode
    report = Report()
    with work_folder() as work:
        for kind in browsers:
            report.where = kind
            try:
                check(kind, Path(work) / kind, report)
            except Exception:  # One that makes all further steps in this browser pointless.
                report.check("the check runs to its end", False, traceback.format_exc())
    return report.finish() or modules


sys.exit(main())
