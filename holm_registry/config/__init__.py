"""Configuration: text and mappings in, a typed :class:`.model.Config` out. Reads no environment."""
