"""The UI as a web application: routes, errors, templates, security, settings."""
