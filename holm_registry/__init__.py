"""A private container registry and its web UI, on Twisted."""

__version__ = "0.2.0"
