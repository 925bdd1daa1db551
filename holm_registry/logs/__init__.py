"""
Logs: events to standard error or a file, and an access log with a line for each request.
"""
