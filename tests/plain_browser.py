"""HTTP clients that work like a browser."""

from __future__ import annotations

import http.client
import re
import socket
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode


class Browser:
    """Keeps cookies, and sends forms with the token of their page.

    ``headers`` are sent with every request, such as those that a proxy adds.
    """

    def __init__(self, port: int = 80, **headers: str) -> None:
        self.port = port
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cookies: SimpleCookie = SimpleCookie()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def request(self, method: str, url: str, body: str | None = None) -> tuple[int, str]:
        """Return the status and the text of the response, or the address of a redirect."""
        connection = self.connect()
        headers = {
            "Cookie": self.cookies.output([], "", ";"),
            "Content-Type": "application/x-www-form-urlencoded",
            **self.headers,
        }
        connection.request(method, url, body, headers)
        response = connection.getresponse()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                self.cookies.load(value)
        text = response.headers["Location"] or response.read().decode()
        connection.close()
        return response.status, text

    def post(self, url: str, *, target: str = "", **fields: str) -> tuple[int, str]:
        """Fetch the page with the form, and send its hidden fields and those given.

        Args:
            target: where the form is sent to, if not to the page itself.
        """
        _, page = self.request("GET", url)
        found = re.findall(r'<input type="hidden" name="(\w+)" value="(.*?)"', page)
        hidden = dict(reversed(found))  # the first of several forms
        assert "csrfmiddlewaretoken" in hidden, page
        return self.request("POST", target or url, urlencode(hidden | fields))


class UnixBrowser(Browser):
    """Connects to a site on a Unix socket."""

    def __init__(self, path: Path, **headers: str) -> None:
        super().__init__(**headers)
        self.path = path

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.path))
        return connection
