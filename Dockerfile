# One image, two services: the registry (the default) and its UI (`holm-ui`).
#
#   buildah build --tag holm-registry:0.2.0 .
#   buildah build --platform linux/arm64 --tag holm-registry:0.2.0 .
#
# BASE is any image with Python 3.11 or newer and its venv module, for each platform it is built for.
# Nothing is compiled: every dependency comes as a wheel for amd64 and arm64, or in pure Python.
ARG BASE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE} AS build
# For a build without a network: --build-arg PIP_ARGS="--no-index --find-links=/wheels" --volume …:/wheels
ARG PIP_ARGS=""
COPY setup.cfg pyproject.toml README.md LICENSE /src/
COPY holm_registry /src/holm_registry
COPY twisted /src/twisted
COPY templates /src/templates
RUN python3 -m venv /opt/holm \
 && /opt/holm/bin/pip install --no-cache-dir --only-binary=:all: --no-binary=holm-registry ${PIP_ARGS} /src \
 && /opt/holm/bin/pip uninstall --yes --quiet pip setuptools \
 # The root file system is read-only where this runs: what Python and twistd keep beside their
 # files is made now.
 && /opt/holm/bin/twistd --help >/dev/null \
 && python3 -m compileall -q /opt/holm/lib

FROM ${BASE}
COPY --from=build /opt/holm /opt/holm
COPY docker/entrypoint.sh /entrypoint.sh
COPY docs/config-example.yml /etc/docker/registry/config.yml
# Docker and Kubernetes want to know that a user is not root before they start: by number.
RUN mkdir -p /var/lib/registry && chown 65532:65532 /var/lib/registry
ENV PATH=/opt/holm/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="Holm Registry" \
      org.opencontainers.image.description="A private container registry and its web UI" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.2.0"
USER 65532:65532
VOLUME /var/lib/registry
EXPOSE 5000 8080
ENTRYPOINT ["/entrypoint.sh"]
