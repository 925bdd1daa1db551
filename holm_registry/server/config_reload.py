from __future__ import annotations

from typing import Protocol

from twisted.logger import Logger

from holm_registry.config.load import ConfigInvalid, LoadedConfig
from holm_registry.config.show import changed_keys
from holm_registry.http.site import StreamingSite
from holm_registry.logs.observer import LOG

from .audit import AuditTrail
from .sites import access_log_writer

#: The keys whose changes take effect without a restart.
_RELOADED = ("log.level", "loglevel", "log.accesslog.disabled")

_log = Logger()


class ReloadableOptions(Protocol):
    """
    The options of a process.

    :ivar loaded: The configuration in force.
    """

    loaded: LoadedConfig

    def read(self) -> LoadedConfig:
        """
        Load the configuration again.

        :raises OSError: Its file cannot be read.
        """


class ConfigReloader:
    """
    Reads the configuration again, applies what can change, and logs which keys need a restart.

    :param audit: The audit log, whose file is reopened.
    """

    def __init__(
        self, options: ReloadableOptions, site: StreamingSite, audit: AuditTrail | None = None
    ) -> None:
        self._options = options
        self._audit = audit
        self._site = site

    def __call__(self) -> None:
        """Reload; a configuration with an error changes nothing."""
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
        self._apply(loaded)

    def _apply(self, loaded: LoadedConfig) -> None:
        keys = changed_keys(self._options.loaded.config, loaded.config)
        need_restart = [key for key in keys if key not in _RELOADED]
        self._options.loaded = loaded
        LOG.set_level(loaded.config.log_level)
        if "log.accesslog.disabled" in keys:
            self._site.write_log = access_log_writer(loaded.config)
        _log.info("configuration reloaded: {keys}", keys=", ".join(keys) or "no change")
        if need_restart:
            _log.warn("{keys}: a change takes a restart", keys=", ".join(need_restart))
