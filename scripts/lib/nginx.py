"""Starts nginx without root's folders and without a configuration of the system."""

import getpass
import os
import random
import urllib.request
from contextlib import suppress

from program import Running
from waiting import wait_until

CONFIGURATION = """
{user} daemon off; worker_processes {workers}; pid nginx.pid; error_log stderr; events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  {http}
}}
"""


class Nginx(Running):
    """An nginx that answers, for `with`. `http` is what the `http` block has; in it, PORT stands for the port.

    Each `server` in it needs "READY", which tells this nginx from another program that has the port. Every path in it is
    below `folder`. nginx cannot take any free port, so it gets ports below those that the system hands out.
    """

    def __init__(self, folder, http, workers=1):
        folder.mkdir()
        # Root's workers would otherwise be of a user who may not enter the folder.
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        ready = f"location = /ready {{ return 200 {os.getpid()}; }}"
        for _ in range(5):
            self.port = random.randrange(20_000, 30_000)
            self.url = f"http://127.0.0.1:{self.port}/"
            block = http.replace("PORT", str(self.port)).replace("READY", ready)
            (folder / "nginx.conf").write_text(CONFIGURATION.format(user=user, workers=workers, http=block))
            with open(folder / "said", "w", encoding="utf-8") as said:
                super().__init__("nginx", "-p", f"{folder}/", "-c", folder / "nginx.conf", stderr=said)
            wait_until(lambda: self.answers() or self.process.poll() is not None)
            if self.answers():
                return
            self.__exit__()
        raise RuntimeError(f"nginx did not start: {(folder / 'said').read_text()}")

    def answers(self):
        with suppress(OSError), urllib.request.urlopen(f"{self.url}ready", timeout=5) as answer:
            return answer.read() == str(os.getpid()).encode()
