"""The checks of the live page: run.py PROGRAM VIDEO FOLDER-FOR-TEMPORARY-FILES BROWSER..."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from chromium import Chromium  # noqa: E402
from firefox import Firefox  # noqa: E402
from journey import FILE_MIB, Journey  # noqa: E402
from page import MIB  # noqa: E402
from particulars import Particulars  # noqa: E402
from report import Report  # noqa: E402
from server import stop_servers_on_signals  # noqa: E402
from webkit import WebKit  # noqa: E402

BROWSERS = {"chromium": Chromium, "firefox": Firefox, "webkit": WebKit}


def check(kind, program, video, folder, report):
    """All that is checked in one browser."""
    folder.mkdir()
    # Small, so that it takes seconds. Its end says that there is a video, which a page without one hides.
    file = folder / "film.mp4"
    with file.open("wb") as empty:
        empty.truncate(FILE_MIB * MIB)
    browser = BROWSERS[kind](folder)
    try:
        Journey(browser, program, file, report).run()
        if kind == "chromium":
            Particulars(browser, program, file, video, report).run()
    finally:
        browser.close()


def main(program, video, temporary, *kinds):
    stop_servers_on_signals()
    report = Report()
    for kind in kinds:
        report.where = kind
        try:
            check(kind, program, Path(video), Path(temporary) / kind, report)
        except Exception as error:  # One that makes all further steps in this browser pointless.
            report.check("the check runs to its end", False, f"{type(error).__name__}: {error}")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
