"""Values and grammar of the OCI specifications. No IO, no clock."""
