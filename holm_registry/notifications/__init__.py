"""Notifications: events, kept on disk until their endpoints have taken them."""
