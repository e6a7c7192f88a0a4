"""Where options come from (`config.yaml`, `.env`, the environment), and the words for what is wrong with them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args, get_origin

import yaml
from dotenv import dotenv_values
from pydantic import BaseModel
from pydantic_core import ErrorDetails

PREFIX: Final = "MATCHA_"

# What was expected, by pydantic's error type; its own words are kept for any other.
_EXPECTED: Final = {
    "expected": "{what}",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text (quote what looks like a number)",
    "path_type": "the path of a folder, as text",
    "list_type": "a list",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_short": "text of {min_length} characters or more",
}


class ConfigError(Exception):
    """The configuration is wrong; the text has one line for each fault and never repeats a value."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


class Variable(NamedTuple):
    """A `MATCHA_…` variable: where it was found, its text, and the section and key it sets (None: no such option)."""

    name: str
    text: str
    origin: Path | None
    option: tuple[str, str] | None

    def __str__(self) -> str:
        return f"{self.origin}: {self.name}" if self.origin else f"Environment variable {self.name}"


class _Loader(yaml.SafeLoader):
    """YAML without the silent loss of a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands here twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_file(file: Path, *, required: bool) -> dict[str, Any]:
    """Read the sections of a YAML file; a missing one is empty unless it is required."""
    try:
        options = yaml.load(file.read_text("utf-8"), _Loader)
    except FileNotFoundError:
        if required:
            raise ConfigError([f"{file}: there is no such file. Correct --config, or leave it out."]) from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([f"{file}: it can't be read ({reason}). Correct the file or its permissions."]) from None
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError([f"{file}: it is not valid YAML{_where(error)}. Correct that line."]) from None
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ConfigError([f"{file}: sections such as `server:` with indented keys under them are expected."])
    return {section: {} if keys is None else keys for section, keys in options.items()}


def _where(error: Exception) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ""
    return f": line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"


def read_variables(model: type[BaseModel], dotenv: Path, environ: Mapping[str, str]) -> list[Variable]:
    """List the `MATCHA_…` variables of `.env` and, winning over it, of the environment; empty ones count as not set."""
    try:
        beside = dotenv_values(dotenv, interpolate=False) if dotenv.is_file() else {}
    except (OSError, UnicodeDecodeError):
        raise ConfigError([f"{dotenv}: it can't be read as UTF-8 text. Correct the file or its permissions."]) from None
    found: dict[str, tuple[str, Path | None]] = {name: (text or "", dotenv) for name, text in beside.items()}
    found |= {name: (text, None) for name, text in environ.items()}
    names = _variable_names(model)
    return [
        Variable(name, text, origin, names.get(name))
        for name, (text, origin) in sorted(found.items())
        if name.startswith(PREFIX) and text
    ]


def _section(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    kind = model.model_fields[name].annotation if name in model.model_fields else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _variable_names(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    return {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section in model.model_fields
        if (keys := _section(model, section))
        for key in keys.model_fields
    }


def apply_variables(model: type[BaseModel], options: dict[str, Any], variables: Sequence[Variable]) -> None:
    """Put the variables over the options of the file."""
    for variable in variables:
        if variable.option is None:
            continue
        section, key = variable.option
        keys = options.setdefault(section, {})
        if isinstance(keys, dict):
            keys[key] = _from_text(variable.text, _annotation(model, section, key))


def _annotation(model: type[BaseModel], section: str, key: str) -> Any:
    keys = _section(model, section)
    return keys.model_fields[key].annotation if keys else None


def _from_text(text: str, annotation: Any) -> Any:
    """Turn a variable's text into a value: text stays text, everything else, and `null`, is JSON."""
    is_text = get_origin(annotation) is not list and any(
        kind in (str, Path) or isinstance(kind, str) for kind in get_args(annotation) or (annotation,)
    )
    if is_text:
        return None if text == "null" and type(None) in get_args(annotation) else text
    try:
        return json.loads(text)
    except ValueError:
        return text  # of the wrong type, which the model then says


def unknown_variable(model: type[BaseModel], variable: Variable) -> str:
    """Say that no option has this variable's name."""
    return f"{variable}: there is no such option{_did_you_mean(variable.name, list(_variable_names(model)))} Unset it."


def fault(model: type[BaseModel], file: Path, variables: Sequence[Variable], details: ErrorDetails) -> str:
    """Say where an option stands, what was expected there, and what to do."""
    section, *rest = map(str, details["loc"])
    place = f"{file}: section {section!r}"
    if details["type"] == "extra_forbidden":
        return _unknown_option(model, file, section, rest)
    if not rest:
        return f"{place}: keys indented under it are expected. Correct or remove the section."
    key, *items = rest
    by = next((variable for variable in variables if variable.option == (section, key)), None)
    item = f", item {int(items[0]) + 1}" if items else ""
    where = f"{by} (section {section!r}, key {key!r}{item})" if by else f"{place}, key {key!r}{item}"
    as_json = " (written as JSON)" if by and details["type"] == "list_type" else ""
    expected = f"expected {_expected(details)}{as_json}"
    remedy = f"{'unset it' if by else 'remove the line'} for {_default(model, section, key)}"
    return f"{where}: {expected}. Correct it, or {remedy}."


def _unknown_option(model: type[BaseModel], file: Path, section: str, rest: list[str]) -> str:
    keys = _section(model, section)
    if not rest or keys is None:
        return f"{file}: there is no section {section!r}{_did_you_mean(section, list(model.model_fields))} Remove it."
    hint = _did_you_mean(rest[0], list(keys.model_fields))
    return f"{file}: section {section!r}: there is no key {rest[0]!r}{hint} Remove the line."


def _did_you_mean(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else "."


def _expected(details: ErrorDetails) -> str:
    return _EXPECTED.get(details["type"], details["msg"]).format(**details.get("ctx", {}))


def _default(model: type[BaseModel], section: str, key: str) -> str:
    keys = _section(model, section)
    default = keys.model_fields[key].default if keys else None
    return f"the default, {json.dumps(default, default=str)}"
