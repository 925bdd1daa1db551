"""
The one place where the parts of a server are put together.

``registry_service`` is the top: it makes the service of a configuration from what ``builder`` has
built. The UI's own parts are built in ``ui/builder``; it shares the services of this room.
"""
