"""Verification: what is damaged in a store, and its repair. Blocking code, without Twisted."""
