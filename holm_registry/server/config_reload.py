from __future__ import annotations

from typing import Any, Protocol

from twisted.logger import Logger

from holm_registry.config.load import ConfigInvalid, LoadedConfig
from holm_registry.config.show import changed_keys
from holm_registry.http.site import StreamingSite
from holm_registry.logs.observer import LOG

from .audit import AuditTrail
from .builder import access_log

#: What can change while the registry serves.
_RELOADED = ("log.level", "loglevel", "log.accesslog.disabled")

_log = Logger()


class _Options(Protocol):
    loaded: LoadedConfig

    def read(self) -> LoadedConfig: ...


class ConfigReloader:
    """
    Reads the configuration anew, takes over what can be, and says what takes a restart.

    :param audit: Has a log file as well, which is opened again.
    :param options: Where the configuration is from, and the one in force.
    """

    def __init__(
        self, options: _Options, site: StreamingSite, audit: AuditTrail | None = None
    ) -> None:
        self._options = options
        self._audit = audit
        self._site = site

    def __call__(self) -> None:
        """Reload; a configuration with anything wrong in it changes nothing."""
        if self._audit is not None:
            self._audit.reopen()
        try:
            loaded = self._options.read()
            loaded.require()
        except OSError as problem:
            _log.error("configuration not reloaded: {problem}", problem=problem)
            return
        except ConfigInvalid as problem:
            for error in problem.errors:
                _log.error("configuration not reloaded: {error}", error=str(error))
            return
        self._take_over(loaded)

    def _take_over(self, loaded: LoadedConfig) -> None:
        keys = changed_keys(self._options.loaded.config, loaded.config)
        left = [key for key in keys if key not in _RELOADED]
        self._options.loaded = loaded
        LOG.set_level(loaded.config.log_level)
        if "log.accesslog.disabled" in keys:
            self._site.write_log = access_log(loaded.config)
        _log.info("configuration reloaded: {keys}", keys=_listed(keys, "no change"))
        if left:
            _log.warn("{keys}: a change takes a restart", keys=", ".join(left))


def _listed(keys: list[Any], otherwise: str) -> str:
    return ", ".join(keys) or otherwise
