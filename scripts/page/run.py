"""The checks of the live page: run.py PROGRAM VIDEO FOLDER-FOR-TEMPORARY-FILES FOLDER-FOR-PICTURES BROWSER..."""

import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from browser import BROWSERS  # noqa: E402
from edges import NAMES, Edges  # noqa: E402
from journey import FILE_MIB, Journey  # noqa: E402
from layout import Layout  # noqa: E402
from page import MIB  # noqa: E402
from report import Report  # noqa: E402
from server import stop_servers_on_signals  # noqa: E402
from stories import Stories  # noqa: E402


def check(kind, program, video, folder, pictures, report):
    """All that is checked in one browser. What it shows at the end, or where it fails, is kept as a picture."""
    folder.mkdir()
    # Small, so that it takes seconds. Its end says that there is a video, which a page without one hides.
    file = folder / "film.mp4"
    with file.open("wb") as empty:
        empty.truncate(FILE_MIB * MIB)
    browser = BROWSERS[kind](folder, *([NAMES] if kind == "chromium" else []))
    try:
        try:
            Journey(browser, program, file, report).run()
        finally:
            (pictures / f"{kind}.png").write_bytes(browser.picture())
        if kind == "chromium":
            Stories(browser, program, file, report).run()
            Layout(browser, program, file, report).run(pictures)
            Edges(browser, program, file, report).run(video)
    finally:
        browser.close()


def main(program, video, temporary, pictures, *kinds):
    stop_servers_on_signals()
    report = Report()
    for kind in kinds:
        report.where = kind
        try:
            check(kind, program, Path(video), Path(temporary) / kind, Path(pictures), report)
        except Exception as error:  # One that makes all further steps in this browser pointless.
            traceback.print_exc()
            report.check("the check runs to its end", False, f"{type(error).__name__}: {error}")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
