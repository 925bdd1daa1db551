"""The one place where the parts of a server are put together."""
