"""Tell twistd of the registry."""

from twisted.application.service import ServiceMaker

registry = ServiceMaker(
    "Holm Registry",
    "holm_registry.registry_tap",
    "A container registry (OCI distribution-spec, Docker Registry v2).",
    "holm-registry",
)

ui = ServiceMaker(
    "Holm UI",
    "holm_registry.ui_tap",
    "A web UI for any container registry.",
    "holm-ui",
)
