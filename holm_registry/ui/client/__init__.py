"""The UI's client of a registry: every request to it, bounded in size, time and number."""
