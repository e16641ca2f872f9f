"""Counts checks, and prints a line for each."""


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.where = ""

    def check(self, what, right, why=""):
        """Counts a check of `where`. `why` says what was found instead, where it is not right."""
        place = f"{self.where}: " if self.where else ""
        if right:
            self.passed += 1
            print(f"ok   {place}{what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {place}{what}: {str(why)[-2000:]}", flush=True)
        return bool(right)

    def finish(self):
        """Prints the sum. Returns the exit code."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
