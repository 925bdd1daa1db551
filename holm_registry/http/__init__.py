"""Plumbing on twisted.web that knows nothing of registries."""
