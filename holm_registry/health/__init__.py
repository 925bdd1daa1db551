"""Looking at regular times whether all is well, and telling what is not."""
