"""The HTTP API: each file one noun of ``/v2/``, each route parse, call, render."""
