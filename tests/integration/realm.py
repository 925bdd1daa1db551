"""A realm that gives out tokens, as companies run one beside their registry."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from ..tokens import ExternalIssuer, grant

#: Who can log in, and what each may do anywhere.
USERS = {"ci": ("ci-secret", ("pull", "push")), "": ("", ("pull",))}


def _handler(issuer: ExternalIssuer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name, _, password = self._login().partition(":")
            known, allowed = USERS.get(name, (None, ()))
            if password != known:
                self._answer(401, {"details": "incorrect username or password"})
                return
            scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
            access = [
                grant(repository, *(action for action in actions.split(",") if action in allowed))
                for scope in " ".join(scopes).split()
                for kind, _, rest in [scope.partition(":")]
                for repository, _, actions in [rest.rpartition(":")]
                if kind == "repository"
            ]
            self._answer(200, {"token": issuer.sign(access, sub=name)})

        def do_POST(self):
            # Clients try OAuth first, and then as above.
            self._answer(404, {})

        def _login(self) -> str:
            _, _, encoded = self.headers.get("Authorization", "Basic Og==").partition(" ")
            return base64.b64decode(encoded).decode()

        def _answer(self, status, body):
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            """Keep quiet."""

    return Handler


@contextmanager
def realm(issuer: ExternalIssuer) -> Iterator[str]:
    """Serve; give the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(issuer))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
