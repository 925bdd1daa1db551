"""Telling others what happens: events, kept on disk until they are delivered."""
