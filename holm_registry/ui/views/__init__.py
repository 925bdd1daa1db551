"""Plain data for templates, computed in threads from what is cached; sends no requests."""
