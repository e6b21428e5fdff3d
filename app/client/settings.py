"""How a client reaches a cluster, for programs and the command line alike.

Sources, later beating earlier: defaults, a TOML file (`COTERIE_CLIENT_FILE`, or ~/.config/coterie/client.toml where it
exists), environment (`COTERIE_CLIENT_...`), explicit arguments.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from coterie.app.client.addresses import DEFAULT_ADDRESS, read_address
from coterie.app.client.errors import ClientError
from coterie.app.wire.names import CLIENT_ENV_PREFIX, is_of_kubernetes

FILE_VARIABLE = CLIENT_ENV_PREFIX + "FILE"

_OTHERS_MAY_READ = 0o077


def _split(value: object) -> object:
    """Text holds one address, or several, split by commas."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _address(value: str) -> str:
    try:
        return read_address(value)
    except ClientError as error:
        raise ValueError(str(error).removeprefix("address: ")) from None


def _secret(value: object) -> object:
    # Its own words: an error must not show the token.
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a token, as coterie token new prints it")
    return SecretStr(value.strip())


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: there is no such user, or it has no home directory; write the whole path") from None


File = Annotated[Path, AfterValidator(_expanded)]


class ClientSettings(BaseSettings):
    """Everything that can be set. In the environment each is `COTERIE_CLIENT_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=CLIENT_ENV_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    address: Annotated[
        tuple[Annotated[str, AfterValidator(_address)], ...], NoDecode, BeforeValidator(_split), Field(min_length=1)
    ] = (DEFAULT_ADDRESS,)
    """Of nodes, as http://host:port, https://host:port or host:port; several split by commas, tried in this order."""
    token: Annotated[SecretStr | None, BeforeValidator(lambda value: None if value is None else _secret(value))] = None
    """What is shown to the node; `token_file` is the safer place for it."""
    token_file: File | None = None
    """A file that holds the token. `token` beats it where both come from the same place; else the stronger source."""
    ca_file: File | None = None
    """Certificates of whoever signed the nodes', for https://; else those that the system believes."""
    cert_file: File | None = None
    """The certificate that this client shows, where nodes ask for one."""
    key_file: File | None = None
    """Its key."""
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    """Seconds that a call may take, with all its tries."""

    def secret(self) -> str | None:
        """The token itself. Raises ClientError where its file cannot be read."""
        if self.token is not None:
            return self.token.get_secret_value()
        if self.token_file is None:
            return None
        try:
            text = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ClientError(f"token_file {self.token_file}: {_words(error)}") from None
        if not text:
            raise ClientError(f"token_file {self.token_file} is empty; put the token into it")
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file. A token of a stronger source hides a weaker one's file, and
        the other way round."""
        sources = [init_settings(), env_settings(), _read_file()]
        seen = False
        for values in sources:
            if seen:
                values.pop("token", None)
                values.pop("token_file", None)
            seen = seen or values.get("token") is not None or values.get("token_file") is not None
        return tuple(InitSettingsSource(settings_cls, init_kwargs=values) for values in sources)


def load_client_settings(**options: Any) -> ClientSettings:
    """The settings, with `options` by name (None: not given). Raises ClientError, which names each that is wrong."""
    given = {name: value for name, value in options.items() if value is not None}
    problems = _unknown_variables()
    try:
        settings = ClientSettings(**given)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            name = str(details["loc"][0])
            unknown = details["type"] == "extra_forbidden"
            wording = str(details["ctx"]["error"]) if details["type"] == "value_error" else details["msg"]
            problems.append(f"{_written(name, given)}: {'unknown setting' if unknown else wording}")
        raise ClientError("\n".join(problems)) from None
    if problems:
        raise ClientError("\n".join(problems))
    return settings


def default_file() -> Path | None:
    """Where the client file is looked for, if nothing names one; None where there is no home directory."""
    base = os.environ.get("XDG_CONFIG_HOME")
    try:
        return (Path(base) if base else Path.home() / ".config") / "coterie" / "client.toml"
    except RuntimeError:
        return None


def _read_file() -> dict[str, Any]:
    """The client file's settings; none where there is no file, unless one was named. Raises ClientError."""
    named = os.environ.get(FILE_VARIABLE)
    try:
        path = _expanded(Path(named)) if named else default_file()
    except ValueError as error:
        raise ClientError(f"{FILE_VARIABLE}: {error}") from None
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            values = tomllib.loads(file.read().decode("utf-8-sig"))
    except FileNotFoundError as error:
        if named:
            raise ClientError(f"{FILE_VARIABLE}: {path}: {_words(error)}") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ClientError(f"{path}: {_words(error)}") from None
    if "token" in values and mode & _OTHERS_MAY_READ:
        raise ClientError(f"{path} holds a token, and others may read it; run: chmod 600 {path}")
    return values


def _unknown_variables() -> list[str]:
    known = {FILE_VARIABLE, *(CLIENT_ENV_PREFIX + name.upper() for name in ClientSettings.model_fields)}
    return [
        f"{name}: unknown environment variable; there are {', '.join(sorted(known))}"
        for name, value in os.environ.items()
        if name.upper().startswith(CLIENT_ENV_PREFIX) and name.upper() not in known
        if not is_of_kubernetes(name, value)
    ]


def _written(name: str, given: dict[str, Any]) -> str:
    """A setting's name as its author wrote it."""
    if name in given:
        return name
    variable = CLIENT_ENV_PREFIX + name.upper()
    if os.environ.get(variable):
        return variable
    return f"{name} in {os.environ.get(FILE_VARIABLE) or default_file()}"


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
