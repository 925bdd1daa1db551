"""Who somebody is, and what they may do: plain Python, without Twisted and HTTP."""
