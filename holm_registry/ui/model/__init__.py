"""What manifests, configs and tags say: values, without IO."""
