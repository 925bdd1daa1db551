"""
What a registry may and must do with content.

Plain blocking Python, safe to call from many threads; no Twisted, no HTTP. Methods named ``cached``
never read a file: they answer from memory after looking at modification times, or not at all, and
so may be called where nothing may block.
"""
