"""The table of all rows: what is done, under which limits, and what is demanded. Row in scene.py explains the fields.
The acts are in the other files."""

import connections
import crowd
import floods
from client import request, upload
from scene import Row, full

TIMEOUT = 2
SOON = ("--timeout", str(TIMEOUT))
# A client that stands still for some seconds is not timed out.
UNHURRIED = ("--timeout", "10")
# Others would have to wait for the timeout, so it is longer than they wait.
LATE = ("--timeout", "600")
BUFFER, STREAM = ("--mode", "buffer"), ("--mode", "stream")
# The queues of waiting requests have room for 6,000 then, and keep it.
PIPELINE_KIB = 2048
LONG_HTTP_2 = floods.HTTP_2[0][:-2] + b"X: " + b"x" * 62 * 1024 + b"\r\n\r\n"

ROWS = [
    # Loads.
    *(
        Row(f"burst_of_{count}", f"{count} viewers begin at once, stay until all have begun, and read a MiB",
            (crowd.viewers, count, full(rounds, 2), most), LATE, is_long=count not in (8, 500), file_mib=5,
            slowest_ms=max(200, count / 3), left_heap_kib=max(512, count / 3))
        for count, most, rounds in ((8, 500, 20), (40, 500, 20), (200, 500, 20), (500, 300, 10), (3000, 2000, 1))
    ),
    Row("load_script_stream", "scripts/load.sh with 20 viewers", (crowd.load_script,), STREAM, file_mib=40),
    Row("load_script_buffer", "scripts/load.sh with 20 viewers", (crowd.load_script,), BUFFER, is_long=True,
        file_mib=40, slowest_ms=2000, rss_mib=1000),
    Row("w19_idle", f"{full(8000, 1000)} clients come and go: then the CPU is as before, idle and in light use",
        (crowd.idle, full(8000, 1000)), bystander="none", left_heap_kib=1024),
    Row("rate_1", f"{full(4000, 300)} viewers at one byte a second",
        (crowd.cpu_of_held, full(4000, 300), request(target="/?rate=1"), 20), left_heap_kib=1024),
    Row("pages", f"{full(1000, 100)} live pages",
        (crowd.cpu_of_held, full(1000, 100), request(target="/heap/events"), 50), left_heap_kib=1024, slowest_ms=500),
    # Honest clients, whom nobody may hang up. The full run has them beside busy loops as well.
    Row("honest_cookies", "300 clients with cookies of 30 KiB, and of 32 KiB, send two requests together",
        (crowd.pipeliners, 300, 2, (30 << 10, 32 << 10)), slowest_ms=1000),
    Row("honest_pipelines", f"30 clients send {full(1000, 300):,} requests ahead, with cookies of 1,000 bytes",
        (crowd.pipeliners, 30, full(1000, 300), (1000,)), left_heap_kib=6144, slowest_ms=1000),
    Row("honest_uploads", "uploads of 1 MiB beside 370 heads of 60 KiB",
        (crowd.all_answered, 10, upload(1 << 20) + bytes(1 << 20), [(405, None)], full(8, 2),
         (370, floods.HEAD + b"x" * 60_000)), slowest_ms=1000),
    Row("honest_bursts", "10 clients send 300 requests ahead beside 180 with 250 requests that they do not read",
        (crowd.pipeliners, 10, 300, (1000,), full(8, 1), (180, request(cookie_bytes=600) * 250)),
        left_heap_kib=16384, slowest_ms=1000),
    # Strangers, who may not get another's bytes.
    *(
        Row(f"strangers_{mode[1]}", "one client announces bodies, resets and uses its port again, at speed",
            (connections.strangers, full(30, 3), full(1000, 100), full(10_000, 100)), mode,
            bystander="none", left_threads=10)
        for mode in (STREAM, BUFFER)
    ),
    # Heads and requests.
    Row("w1_withheld_body", f"300 GETs, a close and a PUT without its body on each of {full(10, 4)} connections",
        (floods.withheld_bodies, full(10, 4)), LATE, left_heap_kib=PIPELINE_KIB, file_mib=40),
    Row("w2_forgotten_pipeline", "6,000 GETs behind a stalled download, then a reset",
        (floods.forgotten_pipeline, full(3, 1)), file_mib=40, left_heap_kib=PIPELINE_KIB),
    Row("w5_gone_before_the_answer", f"{full(1000, 300)} clients leave before their 400 is sent, beside 500 idle ones",
        (floods.gone_before_the_answer, full(1000, 300))),
    *(
        Row(f"w7_{name}", f"{what} without an end, for {full(8, 3)} s",
            (floods.endless_heads, piece, count, full(8, 3)), rss_mib=most_mib, closed=1, is_long="lines" in name)
        for name, what, piece, count, most_mib in (
            ("endless_line", "four heads of one line", b"x" * (512 << 10), 4, 96),
            ("endless_lines", "four heads of lines", b"\r\na: b" * (80 << 10), 4, 96),
            ("long_heads", "100 heads of lines of 32 kB", b"\r\na: " + b"x" * 32_000, 100, 160),
        )
    ),
    Row("w8_drips", f"{full(70, 10)} heads, bodies and refused uploads each come a byte every 300 ms, timeout 2",
        (floods.drips, full(70, 10), TIMEOUT), SOON, closed=1),
    *(
        Row(f"w18_slow_and_silent_{mode[1]}",
            f"300 idle clients, 300 in a head, {full(100, 10)} viewers that do not read, timeout 2",
            (floods.slow_and_silent, full(100, 10), TIMEOUT), mode + SOON, file_mib=40, slowest_ms=2000, closed=1)
        for mode in (STREAM, BUFFER)
    ),
    Row("heads_of_24_kib", f"{full(5000, 500)} connections with heads of 24 KiB that do not end",
        (crowd.cpu_of_held, full(5000, 500), floods.HEAD + b"x" * 24_000, 20), left_heap_kib=1024),
    # Bodies.
    Row("unsent_bodies", f"{full(2000, 800)} bodies of 9 MB and of 4 GB are not sent, under 600 threads",
        (connections.unsent, full(2000, 800)), threads=600, left_threads=30, left_descriptors=30, slowest_ms=500),
    Row("unsent_in_little_heap", f"{full(600, 300)} of them, with a heap of 42M for a file of 40 MiB",
        (connections.unsent, full(600, 300)), BUFFER + ("--heap-limit", "42M"), file_mib=40, bystander="none"),
    Row("unallocatable_bodies", "200 bodies that no system would allocate: a thread and two descriptors each",
        (connections.unsent, 200, (10**15, 10**16)), left_threads=200, left_descriptors=400, left_heap_kib=1600),
    Row("w4_refused_uploads", f"{full(600, 300)} uploads of 200 kB and of 4 GB are not sent, under 256 descriptors",
        (connections.unsent, full(600, 300), (200_000, 4 * 10**9), 30), descriptors=256),
    Row("uploads_by_curl", "curl uploads up to 40 MB", (connections.by_curl, full(20, 2))),
    Row("refused_and_sent", f"{full(100, 20)} bodies of 9 MB and of 20 MB are refused, and sent whole",
        (connections.sent_whole, full(100, 20), (9_000_000, 20_000_000)), left_rss_mib=16),
    Row("stopped_server", "the server is stopped for longer than its timeout, while uploads and heads become complete",
        (connections.stopped_server, full(40, 10), 11), UNHURRIED, bystander="none"),
    # Connections.
    Row("resets", "1,000 clients reset their connections in all phases",
        (connections.resets, 1000), file_mib=40, is_silent=True, left_threads=20, left_descriptors=20),
    Row("w12_one_client_address", "one client port to two addresses of the server, with a 413 on one",
        (connections.one_client_address, full(20, 8)), ("--bind", "0.0.0.0")),
    Row("w15_port_used_again", "a new connection from the port of one that was closed, refused or reset",
        (connections.port_used_again, full(100, 20)), ("--timeout", "0"), closed=1),
    Row("w17_samples_under_load", "a live page beside 16 clients that ask without a pause: ten samples a second",
        (connections.samples_under_load, 6), bystander="none", is_long=True),
    # Shortages.
    *(
        Row(name, f"{count} clients of HTTP/2.0{what}, timeout 2",
            (floods.http_2, count, openings), SOON, closed=1, left_threads=count,
            left_descriptors=2 * count, left_heap_kib=heap_kib * count)
        for name, count, what, openings, heap_kib in (
            ("w6_http_2", full(2000, 400), "", floods.HTTP_2, 10),
            ("http_2_long_heads", 300, " with heads of 62 KiB", (LONG_HTTP_2,), 80),
        )
    ),
    *(
        Row(f"http_2_under_{descriptors}", f"{count} clients of HTTP/2.0 under {descriptors} descriptors, timeout 10",
            (floods.http_2, count, floods.HTTP_2), UNHURRIED, is_long=True, descriptors=descriptors,
            bystander="kept", closed=1, left_threads=count, left_descriptors=2 * count, left_heap_kib=None)
        for descriptors, count in ((1024, 4000), (64, 300))
    ),
    Row("w9_out_of_threads", "200 viewers under 100 threads, who all leave",
        (floods.shortages, 200, request(), 95, 1, 1), file_mib=40, threads=100, is_silent=True, bystander="none"),
    *(
        Row(f"w10_out_of_descriptors_{timeout}", f"200 clients under 64 descriptors, {full(10, 3)} times",
            (floods.shortages, 200, request(close=True), 45, full(10, 3), 2), ("--timeout", timeout), timeout != "0",
            descriptors=64, slowest_ms=2000, closed=1000, left_threads=26, left_descriptors=10, left_heap_kib=1024)
        for timeout in ("2", "0", "0.1")
    ),
    Row("storms", f"{full(10, 3)} bursts of 80 clients under 64 descriptors",
        (crowd.pipeliners, 80, 1, (100,), full(10, 3), (0, b""), 0.5), descriptors=64, left_threads=30, closed=100),
]
