"""The web UI: an ordinary client of any registry."""
