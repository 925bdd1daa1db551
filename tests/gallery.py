"""Images of every kind that a page may have to show, pushed to any registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
HELM = "application/vnd.cncf.helm.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
RIGHT_TO_LEFT = "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645"
LONG_NAME = "very/" + "long-" * 20 + "name/of-an-image"
LONG_TAG = "t" * 128


class Gallery:
    """
    Pushes to a registry.

    :param request: Takes method, path, body and headers; gives something with a status.
    """

    def __init__(self, request: Callable[..., Any]) -> None:
        self._request = request
        self._sizes: dict[str, int] = {}
        self._blobs: set[tuple[str, str]] = set()

    def blob(self, repository: str, content: bytes) -> str:
        """Push a blob; give its digest."""
        digest = str(Digest.of(content))
        if (repository, digest) in self._blobs:
            return digest
        self._blobs.add((repository, digest))
        start = self._request("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content)
        if start.status == 201:
            return digest
        # registry:2 knows no upload in one request, and begins an ordinary one.
        assert start.status == 202, start.status
        location = _header(start, "Location")
        location = "/" + location.split("/", 3)[3] if location.startswith("http") else location
        mark = "&" if "?" in location else "?"
        answer = self._request("PUT", f"{location}{mark}digest={digest}", content)
        assert answer.status == 201, answer.status
        return digest

    def manifest(self, repository: str, reference: str, document: dict[str, Any] | bytes) -> str:
        """Push a manifest under a tag, or under its digest if that is empty; give its digest."""
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = str(Digest.of(payload))
        media_type = json.loads(payload)["mediaType"]
        path = f"/v2/{repository}/manifests/{reference or digest}"
        answer = self._request("PUT", path, payload, Content_Type=media_type)
        assert answer.status == 201, (answer.status, answer.body)
        self._sizes[digest] = len(payload)
        return digest

    def part(self, repository: str, content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Push a blob; give its descriptor."""
        digest = self.blob(repository, content)
        return {"mediaType": media_type, "digest": digest, "size": len(content), **more}

    def image(
        self,
        repository: str,
        reference: str,
        layers: list[bytes],
        *,
        platform: str = "linux/amd64",
        created: str = "2026-11-01T12:00:00Z",
        config: dict[str, Any] | None = None,
        history: list[dict[str, Any]] | None = None,
        **more: Any,
    ) -> str:
        """Push an image; give its digest."""
        os, architecture, *variant = platform.split("/")
        if history is None:
            history = [
                {"created": created, "created_by": f"COPY part{number} / # buildkit"}
                for number in range(len(layers))
            ]
        image_config = {
            "os": os,
            "architecture": architecture,
            **({"variant": variant[0]} if variant else {}),
            "created": created,
            "config": config or {},
            "history": history,
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(each)) for each in layers]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": self.part(repository, json.dumps(image_config).encode(), CONFIG),
            "layers": [self.part(repository, each, LAYER) for each in layers],
            **more,
        }
        return self.manifest(repository, reference, document)

    def index(self, repository: str, reference: str, entries: list[dict[str, Any]]) -> str:
        """Push an index; give its digest."""
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_INDEX,
            "manifests": [
                {
                    "mediaType": media_types.OCI_MANIFEST,
                    "size": self._sizes[entry["digest"]],
                    **entry,
                }
                for entry in entries
            ],
        }
        return self.manifest(repository, reference, document)

    def artifact(
        self,
        repository: str,
        reference: str,
        artifact_type: str,
        layers: list[dict[str, Any]],
        *,
        config_type: str = EMPTY,
        config: bytes = b"{}",
        **more: Any,
    ) -> str:
        """Push something that is no image; give its digest."""
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            **({"artifactType": artifact_type} if artifact_type else {}),
            "config": self.part(repository, config, config_type),
            "layers": layers,
            **more,
        }
        return self.manifest(repository, reference, document)

    # What hangs here.

    def multi_platform(self, repository: str, reference: str, salt: str = "") -> str:
        """Push an index of two platforms with provenance, as BuildKit does; give its digest."""
        base = b"base layer " * 200
        entries = []
        for architecture in ("arm64", "amd64"):
            layers = [base, f"{architecture} {salt}".encode() * 300]
            digest = self.image(
                repository,
                "",
                layers,
                platform=f"linux/{architecture}",
                config={
                    "Entrypoint": ["/usr/bin/app"],
                    "Cmd": ["--port", "80"],
                    "Env": ["PATH=/usr/bin", "API_TOKEN=abc", f"SALT={salt}"],
                    "User": "1000",
                    "ExposedPorts": {"80/tcp": {}},
                    "WorkingDir": "/srv",
                    "Labels": {
                        "org.opencontainers.image.source": "https://example.org/app",
                        "maintainer": "somebody",
                    },
                },
                history=[
                    {"created_by": "/bin/sh -c #(nop) ADD file:0123 in / "},
                    {
                        "created_by": '/bin/sh -c #(nop)  CMD ["bash"]',
                        "empty_layer": True,
                    },
                    {
                        "created_by": "RUN /bin/sh -c apt-get update && apt-get install -y curl "
                        f"&& rm -rf /var/lib/apt/lists/* && echo {salt} # buildkit",
                        "comment": "buildkit.dockerfile.v0",
                    },
                ],
            )
            entries.append(
                {"digest": digest, "platform": {"os": "linux", "architecture": architecture}}
            )
        statement = self.part(
            repository,
            b'{"predicate": {}}',
            "application/vnd.in-toto+json",
            annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"},
        )
        attestation = self.artifact(repository, "", "", [statement], config_type=CONFIG)
        entries.append(
            {
                "digest": attestation,
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": {
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": entries[1]["digest"],
                },
            }
        )
        return self.index(repository, reference, entries)

    def attach(self, repository: str, subject: str, artifact_type: str, content: bytes) -> str:
        """Push something that refers to a manifest; give its digest."""
        return self.artifact(
            repository,
            "",
            artifact_type,
            [self.part(repository, content, "application/octet-stream")],
            subject={"mediaType": media_types.OCI_INDEX, "digest": subject, "size": 1000},
        )

    def chart(self, repository: str, version: str) -> str:
        """Push a Helm chart; give its digest."""
        fields = {
            "name": repository.rpartition("/")[2],
            "version": version,
            "appVersion": "1.0",
            "description": "A chart",
            "home": "https://example.org",
            "maintainers": [{"name": "somebody"}],
            "dependencies": [{"name": "redis", "version": "18"}],
        }
        layer = self.part(
            repository, b"chart content", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
        )
        return self.artifact(
            repository, version, "", [layer], config_type=HELM, config=json.dumps(fields).encode()
        )

    def odd(self, repository: str, reference: str) -> str:
        """Push a manifest of a kind nobody knows, with fields of other types; give its digest."""
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.example.strange+json",
            "annotations": {"numbers": 5},
            "layersOf": [1, 2, 3],
        }
        return self.manifest(repository, reference, document)

    def hang_everything(self) -> None:
        """Push one of each kind."""
        first = self.multi_platform("team/app", "v1.9.0", "one")
        self.multi_platform("team/app", "v1.10.0-rc.1", "two")
        third = self.multi_platform("team/app", "v1.10.0", "three")
        for alias in ("latest", "stable", "v1.10"):
            assert self.multi_platform("team/app", alias, "three") == third
        self.attach("team/app", third, "application/vnd.dev.cosign.artifact.sig.v1+json", b"sig")
        self.attach("team/app", third, "application/spdx+json", b'{"spdxVersion": "2.3"}')
        self.attach("team/app", first, "application/vnd.example.notes", b"notes")
        signature = self.part(
            "team/app", b"payload", "application/vnd.dev.cosign.simplesigning.v1+json"
        )
        self.artifact("team/app", first.replace(":", "-") + ".sig", "", [signature])
        self.chart("team/charts/app", "1.2.3")
        self.odd("team/strange", "what")
        self.image("busybox", "1.36", [b"busybox " * 1000])
        self.image("busybox", "uclibc", [b"uclibc " * 900], created="2025-02-03T04:05:06Z")
        self.image(
            "hostile/labels",
            "v1",
            [b"x"],
            config={
                "Labels": {
                    HOSTILE: HOSTILE,
                    "greeting": RIGHT_TO_LEFT,
                    "emoji": "\U0001f433\U0001f1f3\U0001f1f4 \u202etxt.exe",
                    "link": "javascript:alert(3)",
                    "long": "word" * 500,
                },
                "Env": [f"X={HOSTILE}"],
                "Cmd": [HOSTILE],
            },
            history=[{"created_by": f"RUN {HOSTILE}", "comment": HOSTILE}],
            annotations={"note": HOSTILE},
        )
        self.image(LONG_NAME, LONG_TAG, [b"long"])
        self.image(
            "many/layers",
            "v127",
            [f"layer {number} ".encode() * (number * 13 % 97 + 1) for number in range(127)],
            history=[
                {
                    "created_by": "RUN /bin/sh -c " + " && ".join(f"step{n}" for n in range(900))
                    if number == 5
                    else f"COPY file{number} /srv/ # buildkit"
                }
                for number in range(127)
            ],
        )


def _header(answer: Any, name: str) -> str:
    found = answer.headers.get(name) if hasattr(answer.headers, "get") else answer.header(name)
    assert found, name
    return str(found)
