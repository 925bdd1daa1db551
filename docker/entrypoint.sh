#!/bin/sh
# The rules of registry:2's image: a file is a configuration to serve, a command is a command of
# `registry`, and anything else is run as it is. With no word at all the registry is served, with the
# configuration that is mounted at registry:3's place, or else with that at registry:2's.
set -e

if [ $# -eq 0 ]; then
    set -- /etc/docker/registry/config.yml
    if [ -e /etc/distribution/config.yml ]; then
        set -- /etc/distribution/config.yml
    fi
fi

case "$1" in
    *.yaml | *.yml) set -- registry serve "$@" ;;
    serve | garbage-collect | verify | stats | check | htpasswd | token | help | -*) set -- registry "$@" ;;
esac

exec "$@"
