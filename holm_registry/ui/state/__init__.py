"""What a visitor knows of a registry: caches, and the requests that fill them."""
