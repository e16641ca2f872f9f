"""What a user does with a browser: looks for things by their role and name, reads, clicks, and types.

A browser of one kind adds open(), locate(), call(), perform(), picture(), errors() and close(); see chromium.py,
firefox.py and webkit.py.
"""

from waiting import wait_until

# WebDriver's code points for keys.
KEYS = {
    "Tab": "\ue004", "Enter": "\ue007", "Space": " ", "Escape": "\ue00c", "End": "\ue010", "Home": "\ue011",
    "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Backspace": "\ue003",
}

SHIFT = "\ue008"


class Browser:
    def find(self, role, name):
        """The element with this role and accessible name. Waits for it; raises if it does not come."""
        found = []
        if not wait_until(lambda: found.extend(self.locate(role, name)) or found):
            raise RuntimeError(f"there is no {role} “{name}”")
        return found[0]

    def has(self, role, name):
        return bool(self.locate(role, name))

    def text(self, element):
        """What a user reads there."""
        return self.call("element => element.innerText", element)

    def read(self, role, name):
        """What a user reads in the element with this role and name; nothing if there is none."""
        found = self.locate(role, name)
        return self.text(found[0]) if found else ""

    def attribute(self, element, name):
        return self.call("(element, name) => element.getAttribute(name)", element, name)

    def is_focused(self, element):
        return self.call("element => document.activeElement === element", element)

    def cells(self, element):
        """The rows of a table, as lists of texts."""
        return self.call("table => [...table.rows].map(row => [...row.cells].map(cell => cell.innerText))", element)

    def point_at(self, element, across=0.5, down=0.5, press=False):
        """Moves the pointer to a place in the element, given as parts of its width and height."""
        self.call("element => element.scrollIntoView({ block: 'nearest' })", element)
        box = "element => { const { width, height } = element.getBoundingClientRect(); return [width, height]; }"
        width, height = self.call(box, element)
        x, y = round((across - 0.5) * width), round((down - 0.5) * height)
        move = {"type": "pointerMove", "x": x, "y": y, "origin": self.origin(element)}
        presses = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}] if press else []
        self.perform([{"type": "pointer", "id": "mouse", "actions": [move, *presses]}])

    def click(self, role, name):
        self.point_at(self.find(role, name), press=True)

    def press(self, *keys, shift=False):
        """Presses keys: names of KEYS, or characters."""
        codes = [KEYS.get(key, key) for key in keys]
        strokes = [{"type": kind, "value": code} for code in codes for kind in ("keyDown", "keyUp")]
        if shift:
            strokes = [{"type": "keyDown", "value": SHIFT}, *strokes, {"type": "keyUp", "value": SHIFT}]
        self.perform([{"type": "key", "id": "keyboard", "actions": strokes}])

    def tab_to(self, element, most=40):
        """Presses Tab, or Shift and Tab, until the element has the focus. Not all around: the browser's own buttons are
        between the end of a page and its beginning."""
        behind = "element => Boolean(element.compareDocumentPosition(document.activeElement) & Node.DOCUMENT_POSITION_FOLLOWING)"
        for _ in range(most):
            if self.is_focused(element):
                return True
            is_body = self.call("() => document.activeElement === document.body")
            self.press("Tab", shift=not is_body and self.call(behind, element))
        return self.is_focused(element)
