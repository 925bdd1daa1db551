"""Where bytes are kept. Blocking, thread-safe, and free of Twisted and HTTP."""
