from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import DeclarationError, UnknownNameError
from penstock.project.config import load_config


def _write(root: Path, text: str) -> Path:
    (root / "penstock.toml").write_text(text)
    return root


def test_everything_has_a_default(tmp_path: Path) -> None:
    config = load_config(tmp_path, {})
    assert (config.engine.default, config.server.port, config.tables) == ("local", 8000, {})
    assert config.stores.metadata == "sqlite:///.penstock/metadata.db"


def test_a_file_overrides_defaults_and_the_environment_overrides_the_file(tmp_path: Path) -> None:
    root = _write(tmp_path, '[server]\nport = 9000\nhost = "0.0.0.0"\n')
    assert load_config(root, {}).server.port == 9000
    config = load_config(root, {"PENSTOCK_SERVER_PORT": "9001"})
    assert (config.server.port, config.server.host) == (9001, "0.0.0.0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[engin]\n", "no section named 'engin'.*Did you mean 'engine'"),
        ("[engine]\ndefalt = 'local'\n", "no key named 'defalt' in .engine. of penstock.toml.*Did you mean 'default'"),
    ],
)
def test_unknown_keys_are_errors_that_name_the_near_one(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        load_config(_write(tmp_path, text), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[server]\nport = "8000"\n', r"\[server\] of penstock.toml: Expected `int`, got `str`"),
        ("[tables]\nflights = 3\n", "table 'flights' .* is 3; give a path"),
        ('[tables]\nflights = { file = "a" }\n', "table 'flights'"),
        ("[server\n", "is not valid TOML"),
    ],
)
def test_wrong_values_are_errors_that_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        load_config(_write(tmp_path, text), {})


def test_a_wrong_environment_variable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="server"):
        load_config(tmp_path, {"PENSTOCK_SERVER_PORT": "eighty"})


@pytest.mark.parametrize(
    ("given", "message"),
    [("yesterday", "features_as_of in .server.: Invalid"), ("2013-12-20T17:00:00", "without a zone; write '2013-")],
)
def test_a_time_that_cannot_be_is_an_error(tmp_path: Path, given: str, message: str) -> None:
    config = load_config(tmp_path, {"PENSTOCK_SERVER_FEATURES_AS_OF": given})
    with pytest.raises(DeclarationError, match=message):
        _ = config.server.features_instant


def test_the_servers_token_comes_from_the_environment_the_configuration_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    config = load_config(_write(tmp_path, '[server]\ntoken_file = "token"\n'), {})
    assert config.server_token == "from-a-file"
    assert load_config(tmp_path, {"PENSTOCK_SERVER_TOKEN": "given"}).server_token == "given"
    assert load_config(_write(tmp_path, ""), {}).server_token == ""


def test_a_token_is_not_shown(tmp_path: Path) -> None:
    assert "hidden" not in repr(load_config(tmp_path, {"PENSTOCK_SERVER_TOKEN": "hidden"}))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "token in .*nothing cannot be read"), ("\n", "is empty"), ("clé", "characters that a header cannot carry")],
)
def test_a_token_that_cannot_be_is_an_error(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "nothing").write_text(content)
    config = load_config(_write(tmp_path, '[server]\ntoken_file = "nothing"\n'), {})
    with pytest.raises(DeclarationError, match=message):
        _ = config.server_token
