"""
Load a configuration: from a file, the environment and options to a :class:`.model.Config`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from .checks import check_values
from .conversion import convert
from .environment import apply_environment
from .layers import ConfigError, ConfigLayers
from .model import AUTH_TYPES, Config
from .parse import YamlInvalid, parse_yaml
from .schema import Path
from .storage import DRIVERS
from .unsupported import check_unsupported


@frozen
class ConfigFile:
    """
    The content of a configuration file.

    :ivar path: Its path, for messages.
    """

    path: str
    text: str


@frozen
class ConfigOption:
    """A command line option that sets a key."""

    name: str
    path: Path
    value: object


class ConfigInvalid(Exception):
    """
    The configuration cannot be used.

    :ivar errors: All errors.
    """

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


@frozen
class LoadedConfig:
    """
    A loaded configuration, valid or not.

    :ivar config: The typed configuration, with defaults in place of invalid values.
    :ivar layers: The values with their sources, errors and warnings.
    """

    config: Config
    layers: ConfigLayers

    def require(self) -> Config:
        """
        Return the configuration.

        :raises ConfigInvalid: The configuration has errors.
        """
        if self.layers.errors:
            raise ConfigInvalid(self.layers.errors)
        return self.config


def load(
    file: ConfigFile | None = None,
    environ: Mapping[str, str] | None = None,
    options: tuple[ConfigOption, ...] = (),
) -> LoadedConfig:
    """Load a configuration. Options override the environment, which overrides the file."""
    layers = ConfigLayers()
    if file is not None:
        _read_file(layers, file)
    apply_environment(layers, environ or {})
    for option in options:
        _apply_option(layers, option)
    _expand_plain_names(layers)
    _check_choice(layers, ("storage",), DRIVERS, "storage drivers")
    for others in (("none", "htpasswd"), ("none", "token"), ("issuer", "token")):
        # Contradictions: no logins together with a way to log in, or two issuers of tokens.
        _check_choice(layers, ("auth",), others, "auth types")
    _merge_headers(layers)
    _set_default_driver(layers)
    config = convert(layers, Config, layers.values, ())
    check_values(layers, config)
    check_unsupported(layers, config)
    return LoadedConfig(config, layers)


def _read_file(layers: ConfigLayers, file: ConfigFile) -> None:
    source = f"file {file.path}"
    try:
        values = parse_yaml(file.text.removeprefix("\ufeff"))
    except YamlInvalid as problem:
        text = str(problem)
        if not problem.path:
            line = f" in line {problem.line}" if problem.line is not None else ""
            text = f"the file is not YAML{line}: {text}"
        layers.errors.append(ConfigError(problem.path, source, text))
        layers.is_file_valid = False
        return
    if not isinstance(values, dict):
        layers.errors.append(ConfigError((), source, _not_a_mapping(values)))
        layers.is_file_valid = False
        return
    layers.values = values
    layers.origin = source
    layers.sources.update((path, source) for path in _paths(values, ()))
    if "version" not in values:
        layers.errors.append(ConfigError(("version",), source, "missing; expected 0.1"))


def _not_a_mapping(values: Any) -> str:
    """Return the message for a file that is not a mapping."""
    if values is None:
        return "the file is empty; it must begin with version: 0.1"
    kind = "a list" if isinstance(values, list) else "a string"
    return f"the file is {kind}, not a mapping of keys to values; it must begin with version: 0.1"


def _paths(value: Any, path: Path) -> Iterator[Path]:
    """Return the paths of all single values."""
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _paths(below, (*path, str(name)))
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _paths(below, (*path, index))
    else:
        yield path


def _apply_option(layers: ConfigLayers, option: ConfigOption) -> None:
    values = layers.values
    for part in option.path[:-1]:
        below = values.get(str(part))
        if not isinstance(below, dict):
            below = values[str(part)] = {below: {}} if isinstance(below, str) else {}
        values = below
    values[str(option.path[-1])] = option.value
    layers.set_source(option.path, f"option {option.name}")


def _expand_plain_names(layers: ConfigLayers) -> None:
    """Replace a plain name, as in ``storage: inmemory``, by an empty section of that name."""
    for key in ("storage", "auth"):
        if isinstance(layers.values.get(key), str):
            layers.values[key] = {layers.values[key]: {}}
    for key, names in (("storage", DRIVERS), ("auth", AUTH_TYPES)):
        section = layers.values.get(key)
        if isinstance(section, dict):
            # "inmemory:" without a value means the same as "inmemory: {}".
            section.update({name: {} for name in names if name in section and not section[name]})


def _check_choice(layers: ConfigLayers, path: Path, names: tuple[str, ...], what: str) -> None:
    section = layers.value_at(path)
    chosen = [name for name in names if isinstance(section, dict) and name in section]
    if len(chosen) > 1:
        sources = ", ".join(f"{name} from {layers.source_of((*path, name))}" for name in chosen)
        layers.add_error(
            (*path, chosen[-1]), f"several {what}, but only one is possible: {sources}"
        )


def _set_default_driver(layers: ConfigLayers) -> None:
    section = layers.values.get("storage")
    if isinstance(section, dict) and not any(name in section for name in DRIVERS):
        section["filesystem"] = {}


def _merge_headers(layers: ConfigLayers) -> None:
    """Add the default headers that are not configured, ignoring case."""
    configured = layers.value_at(("http", "headers"))
    if not isinstance(configured, dict):
        return
    names: set[str] = set()
    for name in map(str, configured):
        if name.lower() in names:
            layers.add_error(("http", "headers", name), "given twice, in different case")
        names.add(name.lower())
    defaults = Config().http.headers
    kept = {name: list(v) for name, v in defaults.items() if name.lower() not in names}
    for name in kept:
        layers.sources[("http", "headers", name)] = "default"
    layers.values["http"]["headers"] = {**kept, **configured}
