"""Garbage collection while the store is served: blocking code, run in a process of its own."""
