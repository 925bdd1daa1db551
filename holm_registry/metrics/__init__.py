"""Metrics for Prometheus: collectors, and the text format."""
