"""Commands that care for a store, beside or without a server."""
