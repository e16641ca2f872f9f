"""A server that is not heapserve, and tells figures that no server has."""

import http.server
import threading

EVENTS = [
    '{"event":"sample"}', '{"event":"now"}', "nonsense", "null", "[]", '{"event":"constructor"}', '{"event":"__proto__"}',
    '{"event":"sample","at_us":1,"pid":1,"started_ms":1,"in_flight":0,"requests":0,"sent_bytes":0,"file_bytes":1}',
    '{"event":"sample","at_us":1,"pid":1,"started_ms":1,"live":1e308,"live_peak":1e309,"in_flight":0,"requests":0,"sent_bytes":0,"file_bytes":1,"mode":"buffer","file":"a"}',
    '{"event":"sample","at_us":-5,"pid":1,"started_ms":1,"live":-1,"live_peak":null,"in_flight":0,"requests":0,"sent_bytes":0,"file_bytes":1,"mode":"buffer","file":"a"}',
    '{"event":"request","request":7,"at_us":9007199254740991}', '{"event":"missed","events":"many"}',
    '{"event":"sample","at_us":9007199254740991,"pid":1,"started_ms":9007199254740991,"live":9007199254740991,"live_peak":9007199254740991,'
    '"rss":"x","heap_limit":{},"in_flight":9007199254740991,"requests":0,"sent_bytes":0,"file_bytes":1,"mode":"<b>","file":{"a":1}}',
]
SAMPLE = EVENTS[-1]


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_stream = self.path == "/heap/events"
        body = "".join(f"data: {event}\n\n" for event in EVENTS * 50) if is_stream else SAMPLE
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
        self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Hostile:
    """Used with `with`; `origin` is where it listens."""

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
