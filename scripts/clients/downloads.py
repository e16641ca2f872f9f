"""Downloads with curl, wget, aria2, ffmpeg and ab."""

import re
import shutil
import subprocess

from program import FILM
from waiting import PATIENCE_SECONDS, wait_until

CURL = ["curl", "-q", "-sS", "--max-time", str(PATIENCE_SECONDS)]
ARIA2 = ["aria2c", "--no-conf", "-q", "--timeout", str(PATIENCE_SECONDS)]
WGET = ["wget", "--no-config", "--verbose", "--tries", "1", "--timeout", str(PATIENCE_SECONDS), "-c"]
NAME = FILM.name
FILM_BYTES = FILM.stat().st_size


def equal(found, wanted, what):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


class Box:
    """A folder in which clients of `server`, which serves FILM, are run. Each check gets an empty one."""

    def __init__(self, server=None):
        self.server, self.content = server, FILM.read_bytes()
        self.url = server and server.url

    def run(self, *command, codes=(0,)):
        """Runs a client; returns what it prints. Raises where the exit code is none of these."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=5 * PATIENCE_SECONDS,
                              check=False)
        assert done.returncode in codes, f"{command[0]} ends with {done.returncode}: {done.stderr.strip()[-200:]}"
        return done.stdout + done.stderr

    def get(self, *options, to=("-o", "got"), url=None, write="%{http_code}", wanted="200"):
        """Downloads to the file `got`, if not `to` another. Then curl must `write` in its format what is `wanted`."""
        equal(self.run(*CURL, *to, "-w", write, *options, url or self.url), wanted, write)

    def is_file(self, name="got", part=slice(None)):
        assert (self.folder / name).read_bytes() == self.content[part], f"{name} is not {part} of the file"

    def requests(self, action):
        """The requests that the trace has of what `action` does. A request is traced when it ends, which can be after
        the client has left."""
        before = self.settled()
        action()
        return self.settled()[len(before):]

    def settled(self):
        def is_settled():
            told = self.server.figures()
            return not told["in_flight"] and told["requests"] == len(self.server.requests())

        assert wait_until(is_settled) is not None, "the trace lags behind"
        return self.server.requests()


def whole(box, *options):
    box.get(*options)
    box.is_file()


def part(box, range_, *bounds):
    """`bounds` are those of the bytes that must come, as slice() takes them."""
    box.get("-r", range_, wanted="206")
    box.is_file(part=slice(*bounds))


def resumes(box, first, name, *command):
    """The first bytes of the file are there, as a download leaves them that was cut off."""
    (box.folder / name).write_bytes(box.content[:first])
    asked = box.requests(lambda: box.run(*command, box.url + NAME))
    equal([each["range"][0] for each in asked if each["range"]].count(first), 1, "number of requests for the rest")
    box.is_file(name)


def leaves_complete(box, name, codes, wanted, *command):
    shutil.copy(FILM, box.folder / name)
    said = box.run(*command, box.url + NAME, codes=codes)
    assert wanted in said, said
    box.is_file(name)


def if_modified_since(box):
    since = box.run(*CURL, "-o", "/dev/null", "-w", "%header{last-modified}", box.url)
    box.get("-z", since, write="%{http_code} %{size_download}", wanted="304 0")
    box.get("-z", "1 January 2001", "-r", "0-0", wanted="206")


def in_parts(box, *options):
    aria2 = [*ARIA2, "-k", "1M", "--file-allocation=none", "-o", "got", *options]
    parts = [each for each in box.requests(lambda: box.run(*aria2, box.url)) if each["status"] == 206]
    assert len(parts) > 3, f"aria2 asked for {len(parts)} ranges"
    box.is_file()


def ffprobe_reads(box):
    show = "format=duration:stream=codec_name"
    said = box.run("ffprobe", "-v", "error", "-show_entries", show, "-of", "default=nw=1:nk=1", box.url)
    assert re.fullmatch(r"h264\saac\s(59\.[5-9]|60\.[0-4])\d*\s", said), said


def ffmpeg_seeks(box):
    for source, picture in ((box.url, "over-http.png"), (FILM, "from-disk.png")):
        box.run("ffmpeg", "-v", "error", "-nostdin", "-ss", "30", "-i", source, "-frames:v", "1", picture)
    ours, theirs = ((box.folder / picture).read_bytes() for picture in ("over-http.png", "from-disk.png"))
    assert ours == theirs, "not the same picture"


def ab_keeps_alive(box):
    url = box.url.replace("localhost", "127.0.0.1")
    said = box.run("ab", "-q", "-k", "-n", "200", "-c", "8", "-H", "Range: bytes=0-99", url)
    for name, wanted in (("Complete", "200"), ("Failed", "0"), ("Keep-Alive", "200")):
        equal(re.findall(rf"^{name} requests: +(\d+)", said, re.MULTILINE), [wanted], f"{name} requests")


IN_CHUNKS = ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]
COOKIES = [argument for i in range(15) for argument in ("-H", f"Cookie: c{i}={'x' * 4000}")]
# What is seen, the function that does it, and what that gets beside the Box.
DOWNLOADS = [
    ("curl: the whole file", whole),
    ("curl -r: the first byte", part, "0-0", 1),
    ("curl -r: a part in the middle", part, "1234567-8901233", 1234567, 8901234),
    ("curl -r: beyond the end", part, f"{FILM_BYTES - 99999}-99999999", -99999, None),
    ("curl -r: the last byte", part, f"{FILM_BYTES - 1}-", -1, None),
    ("curl -r: the last 1000 bytes", part, "-1000", -1000, None),
    ("curl -r: starts at the end, 416", lambda box: box.get("-r", f"{FILM_BYTES}-", wanted="416")),
    ("curl -C -: resumes", resumes, 10_000_001, "got", *CURL, "--fail", "-C", "-", "-o", "got"),
    # After a 416, curl compares the Content-Range with what it has, and succeeds. Old versions end with 33, which is
    # accepted as long as they leave the file as it is. (With -f, all versions end with 22.)
    ("curl -C -: leaves a complete file", leaves_complete, "got", (0, 33), "", *CURL, "-C", "-", "-o", "got"),
    ("curl -z: not modified, 304", if_modified_since),
    ("curl -H: 60 kB of cookies", whole, *COOKIES),
    ("curl -T: an upload of 40 MiB, 413", lambda box: box.get("-T", FILM, wanted="413")),
    ("curl -T: the same in chunks, without Expect, 413", lambda box: box.get("-T", FILM, *IN_CHUNKS, wanted="413")),
    ("wget -c: resumes", resumes, 20_000_003, NAME, *WGET),
    ("wget -c: leaves a complete file", leaves_complete, NAME, (0,), "nothing to do", *WGET),
    ("aria2c -x 8: in parts at the same time", in_parts, "-x", "8", "-s", "8"),
    ("aria2c -x 16: with pipelining", in_parts, "-x", "16", "-s", "16", "--enable-http-pipelining=true"),
    ("ab -k: 200 requests on 8 connections", ab_keeps_alive),
    ("ffprobe: a minute of h264 and aac", ffprobe_reads),
    ("ffmpeg -ss 30: the same picture as from disk", ffmpeg_seeks),
]
