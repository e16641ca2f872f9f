"""Counts checks and tells each."""


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.where = ""

    def check(self, what, right, why=""):
        if right:
            self.passed += 1
            print(f"ok   {self.where}: {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {self.where}: {what}: {why}", flush=True)

    def silent(self, browser, when):
        told = browser.errors()
        self.check(f"the console is silent {when}", not told, told)
