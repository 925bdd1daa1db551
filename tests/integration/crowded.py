"""A registry that says it has very many tags: its answers are worked out, and take no room."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Crowded:
    """
    A registry of so many repositories, each of so many tags, all of different images.

    :ivar asked: How many requests it was sent.
    """

    def __init__(self, repositories: int, tags: int) -> None:
        self.repositories, self.tags, self.asked = repositories, tags, 0
        crowd = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                crowd.asked += 1
                status, headers, body = crowd.answer(self.path)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(target)
        if url.path == "/v2/":
            return 200, {}, b"{}"
        if url.path == "/v2/_catalog":
            return self._page(url, "repositories", "team/app-", self.repositories)
        if url.path.endswith("/tags/list"):
            return self._page(url, "tags", "v", self.tags)
        if "/manifests/" in url.path:
            return self._manifest(url.path)
        return 404, {}, b"{}"

    def _page(self, url, field: str, prefix: str, total: int):
        query = parse_qs(url.query)
        count = int(query["n"][0])
        start = int(query.get("last", [f"{prefix}-1"])[0].removeprefix(prefix)) + 1
        end = min(total, start + count)
        names = [f"{prefix}{number:06}" for number in range(start, end)]
        link = {"Link": f'<{url.path}?n={count}&last={names[-1]}>; rel="next"'}
        return 200, link if end < total else {}, json.dumps({field: names}).encode()

    def _manifest(self, path: str):
        layers = [{"digest": _digest(f"{path}{number}"), "size": 1000} for number in range(8)]
        body = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers}).encode()
        if "sha256:" in path:
            return 404, {}, b"{}"
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return 200, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest}, body

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
