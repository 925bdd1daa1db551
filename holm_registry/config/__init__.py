"""Configuration: from text and mappings to a typed :class:`.model.Config`, without any IO."""
