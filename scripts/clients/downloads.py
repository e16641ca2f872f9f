"""Downloads with curl, wget, aria2, ffmpeg, ab and a plain socket."""

import filecmp
import json
import re
import shutil
import socket
import subprocess
import urllib.request

from client import read_answer, request
from waiting import wait_until

ODD_NAME = 'Schnee "weiß" 100%.mp4'
CURL = ["curl", "-q", "-sS", "--max-time", "30"]
CURL_FAILS = [*CURL, "--fail"]


class Box:
    """An empty folder in which clients of `server`, which serves `file`, are run."""

    def __init__(self, folder, server=None, file=None):
        self.folder, self.server, self.file = folder, server, file
        self.url = server and server.url
        self.size = file and file.stat().st_size
        self.got = folder / "got"

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def run(self, *command, codes=(0,)):
        """Runs a client; returns what it prints. Raises where the exit code is none of these."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in codes, f"{command[0]} ends with {done.returncode}: {done.stderr.strip()[-200:]}"
        return done.stdout

    def get(self, *options, url=None):
        return self.run(*CURL_FAILS, *options, url or self.url)

    def status(self, *options, url=None):
        return int(self.run(*CURL, "-o", "/dev/null", "-w", "%{http_code}", *options, url or self.url))

    def is_file(self, name="got"):
        assert filecmp.cmp(self.folder / name, self.file, shallow=False), f"{name} is not the file"

    def get_status_and(self, field, url):
        """Status and a field of the answer to a request for one byte."""
        return self.run(*CURL, "-r", "0-0", "-o", "/dev/null", "-w", "%{http_code} %header{" + field + "}", url)

    def begin(self, length, name="got"):
        """Leaves the first bytes of the file, as a download that was cut off does."""
        with open(self.file, "rb") as whole:
            (self.folder / name).write_bytes(whole.read(length))

    def is_part(self, first, length):
        with open(self.file, "rb") as whole:
            whole.seek(first)
            assert self.got.read_bytes() == whole.read(length), f"not the {length} bytes from {first} on"

    def requests(self, action):
        """The requests that the trace has of what `action` does. A request is traced when it ends, which can be after the
        client has left."""
        before = self.settled()
        action()
        return self.settled()[len(before):]

    def settled(self):
        wait_until(lambda: json.load(urllib.request.urlopen(f"{self.url}heap.json", timeout=10))["in_flight"] == 0)
        mark = f"/?settled-{len(self.server.lines)}"
        self.get("-r", "0-0", "-o", "/dev/null", url=self.url + mark[1:])
        assert wait_until(lambda: any(mark in line for line in list(self.server.lines))), "the trace lags behind"
        return [each for each in self.server.requests() if "settled-" not in each["target"]]


def equal(found, wanted, what):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


def asks_once_for_the_rest(box, first, action):
    rest = [each["range"] for each in box.requests(action) if each["range"] and each["range"][0] == first]
    equal(len(rest), 1, "number of requests for the rest")


def whole(box, *options):
    box.get("-o", "got", *options)
    box.is_file()


def part(range_, first, length):
    """A range counts from the end of the file where `first` is negative."""

    def check(box):
        at, wanted = (box.size + first if first < 0 else first), range_.format(at=box.size + first)
        equal(box.get("-r", wanted, "-o", "got", "-w", "%{http_code}"), "206", "status")
        box.is_part(at, length)

    return check


def curl_resumes(box):
    box.begin(10_000_001)
    asks_once_for_the_rest(box, 10_000_001, lambda: box.get("-C", "-", "-o", "got"))
    box.is_file()


def curl_has_it_all(box):
    """After a 416, curl compares the Content-Range with what it has, and succeeds. Old versions end with 33, which is
    accepted as long as they leave the file as it is. (With -f, all versions end with 22.)"""
    shutil.copy(box.file, box.got)
    box.run(*CURL, "-C", "-", "-o", "got", box.url, codes=(0, 33))
    box.is_file()


def if_modified_since(box):
    since = box.get("-o", "/dev/null", "-w", "%header{last-modified}")
    equal(box.get("-z", since, "-o", "got", "-w", "%{http_code} %{size_download}"), "304 0", "status and size")
    equal(box.status("-z", "1 January 2001", "-r", "0-0"), 206, "status since 2001")


def saves_own_name(box, path="powder-day.mp4", name="powder-day.mp4"):
    box.get("-OJ", url=box.url + path)
    equal([each.name for each in box.folder.iterdir()], [name], "name")
    box.is_file(name)


WGET = ("wget", "--no-config", "-nv", "--tries", "1", "--timeout", "20", "-c")


def wget_resumes(box):
    box.begin(20_000_003, "powder-day.mp4")
    asks_once_for_the_rest(box, 20_000_003, lambda: box.run(*WGET, box.url + "powder-day.mp4"))
    box.is_file("powder-day.mp4")


def wget_has_it_all(box):
    shutil.copy(box.file, box.folder / "powder-day.mp4")
    box.run(*WGET, "--verbose", "-o", "said", box.url + "powder-day.mp4")
    said = (box.folder / "said").read_text()
    assert "nothing to do" in said, said
    box.is_file("powder-day.mp4")


def in_parts(*options):
    def check(box):
        aria2 = ("aria2c", "--no-conf", "-q", "-k", "1M", "--file-allocation=none", "--timeout", "20", "-o", "got", *options)
        parts = [each for each in box.requests(lambda: box.run(*aria2, box.url)) if each["status"] == 206]
        assert len(parts) > 3, f"aria2 asked for {len(parts)} ranges"
        box.is_file()

    return check


def ffprobe_reads(box):
    show = "format=duration:stream=codec_name"
    said = box.run("ffprobe", "-v", "error", "-show_entries", show, "-of", "default=nw=1:nk=1", box.url)
    assert re.fullmatch(r"h264\saac\s(59\.[5-9]|60\.[0-4])\d*\s", said), said


def ffmpeg_seeks(box):
    for source, picture in ((box.url, "over-http.png"), (box.file, "from-disk.png")):
        box.run("ffmpeg", "-v", "error", "-nostdin", "-ss", "30", "-i", source, "-frames:v", "1", picture)
    assert filecmp.cmp(box.folder / "over-http.png", box.folder / "from-disk.png", shallow=False), "not the same picture"


def ab_keeps_alive(box):
    said = box.run("ab", "-q", "-k", "-n", "200", "-c", "8", "-H", "Range: bytes=0-99", box.url.replace("localhost", "127.0.0.1"))
    figures = dict(re.findall(r"^([A-Z][\w -]+): +(\d+)", said, re.MULTILINE))
    equal([figures[name] for name in ("Complete requests", "Failed requests", "Keep-Alive requests")], ["200", "0", "200"], "requests")


def half_closed(box):
    with box.server.connect() as client:
        client.sendall(request())
        client.shutdown(socket.SHUT_WR)
        status, body = read_answer(client)
    equal(status, 200, "status")
    box.got.write_bytes(body)
    box.is_file()


DOWNLOADS = [
    ("curl: the whole file", whole),
    ("curl -r: the first byte", part("0-0", 0, 1)),
    ("curl -r: a part in the middle", part("1234567-8901234", 1234567, 7666668)),
    ("curl -r: beyond the end", part("{at}-99999999", -99999, 99999)),
    ("curl -r: the last byte", part("{at}-", -1, 1)),
    ("curl -r: the last 1000 bytes", part("-1000", -1000, 1000)),
    ("curl -r: starts at the end, 416", lambda box: equal(box.status("-r", f"{box.size}-"), 416, "status")),
    ("curl -C -: resumes", curl_resumes),
    ("curl -C -: leaves a complete file", curl_has_it_all),
    ("curl -z: not modified, 304", if_modified_since),
    ("curl -OJ: saves under the name", saves_own_name),
    ("curl -b: 60 kB of cookies", lambda box: whole(box, *[arg for i in range(15) for arg in ("-H", f"Cookie: c{i}={'x' * 4000}")])),
    ("wget -c: resumes", wget_resumes),
    ("wget -c: leaves a complete file", wget_has_it_all),
    ("aria2c -x 8: in parts at the same time", in_parts("-x", "8", "-s", "8")),
    ("aria2c -x 16: with pipelining", in_parts("-x", "16", "-s", "16", "--enable-http-pipelining=true")),
    ("ab -k: 200 requests on 8 connections", ab_keeps_alive),
    ("a client that closes its half at once", half_closed),
    ("ffprobe: a minute of h264 and aac", ffprobe_reads),
    ("ffmpeg -ss 30: the same picture as from disk", ffmpeg_seeks),
]
