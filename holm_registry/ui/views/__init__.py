"""Plain data for templates, worked out in threads from what is known; nothing here asks anybody."""
