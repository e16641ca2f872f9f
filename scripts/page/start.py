"""
Checks /heap, the live page, as a user would, in some four minutes, and runs the tests of its modules with Node. The first
run fetches the browsers' drivers for Python from PyPI, as scripts/page/requirements.txt lists them, into target/page-check.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
"""

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from program import FILM, HEAPSERVE, TARGET, Running, cargo_build, fail, need_tools, work_folder  # noqa: E402
from server import stop_servers_on_signals  # noqa: E402

HERE, MADE = Path(__file__).resolve().parent, TARGET / "page-check"
TOOLS = {
    "chromium": ["chromium", "chromedriver:chromium-driver"],
    "firefox": ["firefox-esr"],
    "webkit": ["WebKitWebDriver:webkit2gtk-driver", "Xvfb:xvfb"],
}


def environment():
    """Makes a virtual environment with the drivers, and keeps it until what it needs changes. Returns its Python."""
    folder, wanted = MADE / "python", (HERE / "requirements.txt").read_text()
    made_for = folder / "made-for"
    if not made_for.exists() or made_for.read_text() != wanted:
        if subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=False).returncode:
            fail(f"{sys.executable} cannot make a virtual environment (Debian: apt-get install python3-venv)", 2)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        installed = subprocess.run(pip, stderr=subprocess.PIPE, text=True, check=False)
        if installed.returncode:
            fail(f"the browsers' drivers cannot be installed: {installed.stderr}")
        made_for.write_text(wanted)
    return folder / "bin" / "python"


def main():
    parser = argparse.ArgumentParser(prog="check-page.sh", description=__doc__)
    parser.add_argument("browsers", metavar="BROWSER", nargs="*", help=f"{', '.join(TOOLS)} (default: all)")
    parser.add_argument("--pictures", metavar="FOLDER", type=Path, default=MADE / "pictures", help="where to leave pictures of the page")
    options = parser.parse_args()
    browsers = options.browsers or list(TOOLS)
    if unknown := set(browsers) - set(TOOLS):
        parser.error(f"there is no browser {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    need_tools("cargo", "node:nodejs", *(tool for browser in browsers for tool in TOOLS[browser]))
    stop_servers_on_signals()
    python = environment()
    options.pictures.mkdir(parents=True, exist_ok=True)
    cargo_build()
    modules = subprocess.run(["node", "--test", *sorted((HERE / "tests").glob("*.mjs"))], check=False).returncode
    with work_folder() as work, Running(python, "-B", HERE / "run.py", HEAPSERVE, FILM, work, options.pictures, *browsers) as checks:
        return checks.process.wait() or modules


sys.exit(main())
