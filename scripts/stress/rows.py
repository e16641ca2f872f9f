"""The table of all rows: what is done, under which limits, and what is demanded. Row in row.py explains the fields.
The acts are in the other files."""

import attacks
import crowd
from client import request, upload
from row import NEVER, Row, full

SOON = ("--timeout", "2")
# A client that stands still for some seconds is not timed out.
UNHURRIED = ("--timeout", "10")
# Others would have to wait for the timeout, so it is longer than they wait.
LATE = ("--timeout", "600")
BUFFER, STREAM = ("--mode", "buffer"), ("--mode", "stream")
# The queues of waiting requests have room for 6,000 then, and keep it.
PIPELINE_KIB = 2048
UNSENT = (upload(9_000_000), upload(4 * 10**9))
DRIPPING = (attacks.HEAD, upload(2000), upload(4 * 10**9), attacks.WITHHELD)

ROWS = [
    # Loads.
    *(
        Row(f"burst_of_{count}", f"{count} viewers begin at once, stay until all have begun, and read a MiB",
            (crowd.viewers, count, full(rounds, 2), most), LATE, is_long=count not in (8, 500), file_mib=5,
            slowest_ms=max(200, count / 3), left_heap_kib=max(512, count / 3))
        for count, most, rounds in ((8, 500, 20), (40, 500, 20), (200, 500, 20), (500, 300, 10), (3000, 2000, 1))
    ),
    Row("load_script", "scripts/load.sh with 20 viewers", (crowd.load_script,), file_mib=40),
    Row("w19_idle", f"{full(8000, 1000)} clients come and go: then the server is idle",
        (crowd.cpu_of_after, full(8000, 1000), 0.1, full(60, 0.5)), bystanders=0, left_heap_kib=1024),
    # A server that walks to the highest number that it ever used takes ten times as much.
    Row("w19_light_use", f"{full(8000, 1000)} clients come and go, beside one that asks 100 times a second",
        (crowd.cpu_of_after, full(8000, 1000), 6, full(5, 0.5)), pause_seconds=0.01, is_kept=True, slowest_ms=1000,
        left_heap_kib=1024),
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
         (370, attacks.HEAD + b"x" * 60_000)), slowest_ms=1000),
    Row("honest_bursts", "10 clients send 300 requests ahead beside 180 with 250 requests that they do not read",
        (crowd.pipeliners, 10, 300, (1000,), full(8, 1), (180, request(cookie_bytes=600) * 250)),
        left_heap_kib=16384, slowest_ms=1000),
    # Heads and requests.
    Row("w1_withheld_body", f"300 GETs, a close and a PUT without its body on each of {full(10, 4)} connections",
        (crowd.cpu_of_held, full(10, 4), request("0-0") * 300 + attacks.WITHHELD, 20), LATE, file_mib=40,
        left_heap_kib=PIPELINE_KIB),
    Row("w2_forgotten_pipeline", "6,000 GETs behind a stalled download, then a reset",
        (crowd.cpu_of_leavers, full(3, 1), request() + request("0-0") * 6000, 100, 500),
        file_mib=40, left_heap_kib=PIPELINE_KIB),
    # tiny_http reads them faster than they can be taken from its queue.
    Row("w2_full_queue", f"100 clients send short requests for {full(8, 3)} s behind an answer that they do not read",
        (attacks.fed, 100 * [request(target="/?rate=1")], request() * 4000, 0.001, full(8, 3)), rss_mib=1024,
        slowest_ms=NEVER, closed=1, left_heap_kib=9 << 10),
    Row("w5_gone_before_the_answer", f"{full(1000, 300)} clients leave before their 400 is sent, beside 500 idle ones",
        (crowd.cpu_of_leavers, full(1000, 300), attacks.BAD, 0, 0.5, 500)),
    Row("w7_endless_line", f"four heads of one line without an end, for {full(8, 3)} s",
        (attacks.fed, 4 * [attacks.HEAD], b"x" * (512 << 10), 0.001, full(8, 3)), rss_mib=96, closed=1),
    Row("w7_endless_lines", f"four heads of lines without an end, for {full(8, 3)} s",
        (attacks.fed, 4 * [attacks.HEAD], b"\r\na: b" * (80 << 10), 0.001, full(8, 3)), rss_mib=96, closed=1,
        is_long=True),
    Row("w7_long_heads", f"100 heads of lines of 32 kB without an end, for {full(8, 3)} s",
        (attacks.fed, 100 * [attacks.HEAD], b"\r\na: " + b"x" * 32_000, 0.001, full(8, 3)), rss_mib=160, closed=1),
    Row("w8_drips", f"{full(70, 10)} heads, bodies, refused and late bodies each come a byte every 300 ms, timeout 2",
        # The second byte that comes too late is what fails.
        (attacks.fed, full(70, 10) * DRIPPING, b"x", 0.3, 60, 1.5 * 2 + 0.6), SOON, closed=1),
    *(
        Row(f"w18_slow_and_silent_{mode[1]}",
            f"300 idle clients, 300 in a head, {full(100, 10)} viewers that do not read, timeout 2",
            # What comes before they stall takes some of it.
            (attacks.slow_and_silent, full(100, 10), 1.5 * 2 + 1), mode + SOON, file_mib=40, slowest_ms=2000, closed=1)
        for mode in (STREAM, BUFFER)
    ),
    Row("heads_of_24_kib", f"{full(5000, 500)} connections with heads of 24 KiB that do not end",
        (crowd.cpu_of_held, full(5000, 500), attacks.HEAD + b"x" * 24_000, 20), left_heap_kib=1024),
    # Bodies.
    Row("unsent_bodies", f"{full(2000, 800)} bodies of 9 MB and of 4 GB are not sent, under 600 threads",
        (attacks.crowds, full(20, 8), 100, UNSENT), threads=600, left_threads=30, left_descriptors=30, slowest_ms=500),
    Row("unsent_in_little_heap", f"{full(600, 300)} of them, with a heap of 42M for a file of 40 MiB",
        (attacks.crowds, full(6, 3), 100, UNSENT), BUFFER + ("--heap-limit", "42M"), file_mib=40, bystanders=0),
    Row("unallocatable_bodies", "200 bodies that no system would allocate: a thread and two descriptors each",
        (attacks.crowds, 2, 100, (upload(10**15), upload(10**16))), left_threads=200, left_descriptors=400,
        left_heap_kib=1600),
    Row("w4_refused_uploads", f"{full(600, 300)} uploads of 200 kB and of 4 GB are not sent, under 256 descriptors",
        (attacks.crowds, full(20, 10), 30, (upload(200_000), upload(4 * 10**9))), descriptors=256),
    Row("refused_and_sent", f"{full(200, 40)} bodies of 200 kB to 40 MB are refused, and sent whole",
        (attacks.sent_whole, full(100, 20), (200_000, 3_000_000, 9_000_000, 20_000_000, 40_000_000)), rss_mib=10),
    Row("stopped_server", "the server is stopped for longer than its timeout, while uploads and heads become complete",
        (attacks.stopped_server, full(40, 10), 11), UNHURRIED, bystanders=0),
    # Connections.
    Row("resets", "1,000 clients reset their connections in all phases",
        (attacks.resets, 1000), file_mib=40, is_silent=True, left_threads=20, left_descriptors=20),
    Row("w12_one_client_address", "one client port to two addresses of the server, with a 413 on one",
        (attacks.one_client_address, full(20, 8)), ("--bind", "0.0.0.0")),
    # The bystanders are strangers, who may not get another's bytes, nor be hung up in another's place.
    *(
        Row(f"w15_port_used_again_{mode[1]}", "a new connection from the port of one that was closed, refused or reset",
            (attacks.port_used_again, full(1000, 50)), mode + ("--timeout", "0"), bystanders=4, pause_seconds=0,
            slowest_ms=NEVER, left_threads=10)
        for mode in (STREAM, BUFFER)
    ),
    Row("w17_samples_under_load", "a live page beside 16 clients that ask without a pause: ten samples a second",
        (attacks.samples, 6), bystanders=16, pause_seconds=0, slowest_ms=NEVER, is_long=True),
    # Shortages.
    Row("w6_http_2", f"{full(2000, 400)} clients of HTTP/2.0, a third of them with heads of 62 KiB, timeout 2",
        (attacks.http_2, full(2000, 400)), SOON, closed=1, left_threads=full(2000, 400),
        left_descriptors=full(4000, 800), left_heap_kib=33 * full(2000, 400)),
    *(
        Row(f"http_2_under_{descriptors}", f"{count} clients of HTTP/2.0 under {descriptors} descriptors, timeout 10",
            (attacks.http_2, count), UNHURRIED, is_long=True, descriptors=descriptors, is_kept=True,
            closed=1, left_threads=count, left_descriptors=2 * count, left_heap_kib=None)
        for descriptors, count in ((1024, 4000), (64, 300))
    ),
    Row("w9_out_of_threads", "200 viewers under 100 threads, who all leave",
        (attacks.crowds, 1, 200, (request(),), 95, 1), file_mib=40, threads=100, is_silent=True, bystanders=0),
    *(
        Row(f"w10_out_of_descriptors_{timeout}", f"200 clients under 64 descriptors, {full(10, 3)} times",
            (attacks.crowds, full(10, 3), 200, (request(close=True),), 45, 2), ("--timeout", timeout), timeout != "0",
            descriptors=64, slowest_ms=2000, closed=1000, left_threads=26, left_descriptors=10, left_heap_kib=1024)
        for timeout in ("2", "0", "0.1")
    ),
]
