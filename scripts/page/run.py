"""
Checks /heap, the live page, as a user would, in under four minutes, and runs the tests of its modules with Node. The first
run fetches the browsers' drivers for Python from PyPI, as scripts/page/requirements.txt lists them, into target/page-check.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
"""

import argparse
import os
import subprocess
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from program import FILM, HEAPSERVE, TARGET, cargo_build, fail, need_tools, work_folder  # noqa: E402
from report import Report  # noqa: E402
from server import stop_servers_on_signals  # noqa: E402

HERE, MADE = Path(__file__).resolve().parent, TARGET / "page-check"
TOOLS = {
    "chromium": ["chromium", "chromedriver:chromium-driver"],
    "firefox": ["firefox-esr"],
    "webkit": ["WebKitWebDriver:webkit2gtk-driver", "Xvfb:xvfb"],
}


def enter_environment():
    """Goes on in a virtual environment with the drivers, which is kept until what it needs changes."""
    folder, wanted = MADE / "python", (HERE / "requirements.txt").read_text()
    if Path(sys.prefix) == folder:
        return
    made_for = folder / "made-for"
    if not made_for.exists() or made_for.read_text() != wanted:
        if subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=False).returncode:
            fail(f"{sys.executable} cannot make a virtual environment (Debian: apt-get install python3-venv)", 2)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        installed = subprocess.run(pip, stderr=subprocess.PIPE, text=True, check=False)
        if installed.returncode:
            fail(f"the browsers' drivers cannot be installed: {installed.stderr}")
        made_for.write_text(wanted)
    os.execv(folder / "bin" / "python", [folder / "bin" / "python", "-B", *sys.argv])


def check(kind, folder, pictures, report):
    """All that is checked in one browser. What it shows at the end, or where it fails, is kept as a picture."""
    from browser import BROWSERS
    from edges import NAMES, Edges
    from journey import FILE_MIB, Journey
    from layout import Layout
    from stories import Stories

    folder.mkdir()
    # Small, so that it takes seconds. Its end says that there is a video, which a page without one hides.
    file = folder / "film.mp4"
    file.touch()
    os.truncate(file, FILE_MIB << 20)
    browser = BROWSERS[kind](folder, *([NAMES] if kind == "chromium" else []))
    try:
        try:
            Journey(browser, HEAPSERVE, file, report).run()
        finally:
            (pictures / f"{kind}.png").write_bytes(browser.picture())
        if kind == "chromium":
            Stories(browser, HEAPSERVE, file, report).run()
            Layout(browser, HEAPSERVE, file, report).run(pictures)
            Edges(browser, HEAPSERVE, file, report).run(FILM)
    finally:
        browser.close()


def main():
    parser = argparse.ArgumentParser(prog="check-page.sh", description=__doc__)
    parser.add_argument("browsers", metavar="BROWSER", nargs="*", help=f"{', '.join(TOOLS)} (default: all)")
    parser.add_argument("--pictures", metavar="FOLDER", type=Path, default=MADE / "pictures", help="where to leave pictures of the page")
    options = parser.parse_args()
    browsers = options.browsers or list(TOOLS)
    if unknown := set(browsers) - set(TOOLS):
        parser.error(f"there is no browser {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    need_tools("cargo", "node:nodejs", *(tool for browser in browsers for tool in TOOLS[browser]))
    enter_environment()
    stop_servers_on_signals()
    options.pictures.mkdir(parents=True, exist_ok=True)
    cargo_build()
    modules = subprocess.run(["node", "--test", *sorted((HERE / "tests").glob("*.mjs"))], check=False).returncode
    report = Report()
    with work_folder() as work:
        for kind in browsers:
            report.where = kind
            try:
                check(kind, Path(work) / kind, options.pictures, report)
            except Exception as error:  # One that makes all further steps in this browser pointless.
                traceback.print_exc()
                report.check("the check runs to its end", False, f"{type(error).__name__}: {error}")
    return report.finish() or modules


sys.exit(main())
