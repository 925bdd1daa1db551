"""What a registry tells those who run it, on a port of its own."""
