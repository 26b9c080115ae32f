"""A browser without a window, for a site at a Unix socket."""

from __future__ import annotations

import http.client
import re
import socket
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode


class UnixBrowser:
    """Keeps cookies, and sends forms with the token of their page.

    ``headers`` go with every request, such as those that a proxy adds.
    """

    def __init__(self, path: Path, **headers: str) -> None:
        self.path = path
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cookies: SimpleCookie = SimpleCookie()

    def request(self, method: str, url: str, body: str | None = None) -> tuple[int, str]:
        """Return the status and the text of the answer, or where it leads."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.path))
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

    def post(self, url: str, **fields: str) -> tuple[int, str]:
        """Fetch the page with the form, and send it."""
        _, page = self.request("GET", url)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page
        fields["csrfmiddlewaretoken"] = token[1]
        return self.request("POST", url, urlencode(fields))
