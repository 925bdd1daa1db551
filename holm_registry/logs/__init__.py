"""
Where logs go: what happens to standard error or a file, one line each request to standard output.
"""
