"""Starts nginx without root's folders and without a configuration of the system."""

import getpass
import os
import socket

from client import HOST
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
    """An nginx that listens, for `with`. `http` is what the `http` block has; in it, PORT stands for the port. Every
    path in it is below `folder`."""

    def __init__(self, folder, http, workers=1):
        folder.mkdir()
        # Root's workers would otherwise be of a user who may not enter the folder.
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        # nginx cannot take any free port, but goes on with a socket that it is told of.
        with socket.create_server((HOST, 0)) as listening, open(folder / "said", "wb") as said:
            self.port, number = listening.getsockname()[1], listening.fileno()
            # nginx does not do this with a socket that it is told of. A worker would then wait in accept(2) when
            # another one was faster, and leave its own connections unanswered.
            listening.setblocking(False)
            http = http.replace("PORT", str(self.port))
            (folder / "nginx.conf").write_text(CONFIGURATION.format(user=user, workers=workers, http=http))
            command = ["nginx", "-p", f"{folder}/", "-c", folder / "nginx.conf"]
            super().__init__(*command, stderr=said, pass_fds=[number], env={**os.environ, "NGINX": f"{number};"})
        self.url = f"http://{HOST}:{self.port}/"
        # It writes the file when it listens.
        listens = (folder / "nginx.pid").exists
        wait_until(lambda: listens() or self.process.poll() is not None)
        if not listens():
            self.kill()
            raise RuntimeError(f"nginx did not start: {(folder / 'said').read_text()}")
