"""The routes of the UI, one file for each page."""
