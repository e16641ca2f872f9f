"""A server that is not heapserve, and tells figures that no server has. Each kind of them is in tests/pure.test.mjs."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST = (1 << 53) - 1
SAMPLE = json.dumps({
    "event": "sample", "at_us": MOST, "pid": 1, "started_ms": MOST, "live": MOST, "live_peak": MOST, "in_flight": MOST, "requests": 0,
    "sent_bytes": 0, "file_bytes": 1, "mode": "<b>", "file": {"a": 1}, "rss": "x", "heap_limit": {},
})
EVENTS = "".join(f"data: {event}\n\n" for event in ["nonsense", "null", '{"event":"now"}', '{"event":"__proto__"}', SAMPLE] * 50)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        kind, body = ("text/event-stream", EVENTS) if self.path == "/heap/events" else ("application/json", SAMPLE)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body.encode())

    log_message = lambda *_: None


@contextmanager
def hostile():
    """Its origin, while it listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
