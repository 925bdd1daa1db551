"""Health checks: of the storage, of files, of web servers and of TCP ports."""
