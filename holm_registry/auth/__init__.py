"""Authentication and authorization: plain Python, without Twisted and HTTP."""
