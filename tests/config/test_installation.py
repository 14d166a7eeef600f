"""The configuration of an installed daemon, read by a command beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from position_monitor.config import installation, load_config
from position_monitor.config.installation import installed_accounts, process_environment
from position_monitor.errors import ConfigError

LIVE = '[exchange]\nenvironment = "live"\n'


@pytest.fixture
def quantum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in the place of /etc/quantum, with a plain unit and the instance `other`."""
    monkeypatch.setattr(installation, "DIRECTORY", tmp_path)
    for name, folder in (("", "credentials"), ("-other", "credentials/other")):
        (tmp_path / f"position-monitor{name}.toml").write_text(LIVE)
        (tmp_path / f"position-monitor{name}.env").write_text(
            f"EXIT_BRAIN_PROFILE=TREND\nREDIS_URL=redis://of{name}/0\n"
        )
        (tmp_path / folder).mkdir()
        for secret in ("key", "secret"):
            (tmp_path / folder / f"exchange_api_{secret}").write_text(f"{secret}-of{name}\n")
    return tmp_path


def origins(path: Path, environ: dict[str, str]) -> dict[str, str]:
    return {key: origin for key, _, origin in load_config(path, environ).effective()}


@pytest.mark.parametrize("name", ["", "-other"])
def test_each_installation_has_its_own_files(quantum: Path, name: str) -> None:
    """Env file and credentials belong to the configuration file beside them."""
    config = load_config(quantum / f"position-monitor{name}.toml", {})
    assert config.redis.url.get_secret_value() == f"redis://of{name}/0"
    assert config.credentials.api_key.get_secret_value() == f"key-of{name}"
    assert config.credentials.api_secret.get_secret_value() == f"secret-of{name}"


def test_every_value_says_where_it_comes_from(quantum: Path) -> None:
    """File, env file, environment, default."""
    path = quantum / "position-monitor.toml"
    shown = origins(path, {"EXIT_BRAIN_PROFILE": "RANGE"})
    assert shown["exchange.environment"] == "file"
    assert shown["redis.url"] == "env file REDIS_URL"
    assert shown["exit.profile"] == "environment EXIT_BRAIN_PROFILE"
    assert shown["account"] == "default"
    assert load_config(path, {}).environment.sources == (
        f"env file {quantum}/position-monitor.env",
        f"credentials {quantum}/credentials",
    )


def test_the_environment_of_the_process_wins(quantum: Path) -> None:
    """Over the env file, and a key over the installed one; an empty variable counts as unset."""
    path = quantum / "position-monitor.toml"
    own = {"REDIS_URL": "redis://mine/1", "EXCHANGE_API_KEY": "my-key", "EXCHANGE_API_SECRET": "my-secret"}
    config = load_config(path, own)
    assert config.redis.url.get_secret_value() == "redis://mine/1"
    assert config.credentials.api_key.get_secret_value() == "my-key"
    assert load_config(path, {"REDIS_URL": ""}).redis.url.get_secret_value() == "redis://of/0"


def test_half_a_key_of_ones_own_is_not_filled_up_with_the_installed_half(quantum: Path) -> None:
    """The pair would belong to nobody."""
    with pytest.raises(ConfigError, match="exchange_api_secret is missing"):
        load_config(quantum / "position-monitor.toml", {"EXCHANGE_API_KEY": "my-key"})


def test_under_the_unit_nothing_is_read_twice(quantum: Path, tmp_path: Path) -> None:
    """systemd handed over the environment: the env file may be another one by now."""
    environ = {"CREDENTIALS_DIRECTORY": str(quantum / "credentials" / "other")}
    config = load_config(quantum / "position-monitor.toml", environ)
    assert config.redis.url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert config.credentials.api_key.get_secret_value() == "key-of-other"


def test_a_file_that_no_unit_reads_stands_alone(quantum: Path) -> None:
    """A trial configuration does not get the keys of the account."""
    for path in (quantum / "trial.toml", quantum / "below" / "position-monitor.toml"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(LIVE)
        with pytest.raises(ConfigError, match="exchange_api_key is missing"):
            load_config(path, {})


def test_what_is_not_there_is_no_problem(quantum: Path) -> None:
    """The unit has a dash before its EnvironmentFile=."""
    (quantum / "position-monitor-bare.toml").write_text("")
    config = load_config(quantum / "position-monitor-bare.toml", {})
    assert config.environment.unreadable == ()
    assert config.environment.sources == (f"no env file {quantum}/position-monitor-bare.env",)


def test_what_cannot_be_read_is_named_with_its_consequence(quantum: Path) -> None:
    """One sentence with the path; the same words are in the error of a missing key."""
    path, env_file = quantum / "position-monitor.toml", quantum / "position-monitor.env"
    env_file.unlink()
    env_file.mkdir()
    [sentence] = process_environment(path, {}).unreadable
    assert sentence.startswith(f"{env_file} ")
    assert "not in effect for this command" in sentence or "nothing of it is in effect" in sentence
    (quantum / "credentials" / "exchange_api_key").unlink()
    with pytest.raises(ConfigError, match=str(env_file)):
        load_config(path, {})


def test_the_wrong_account_is_answered_with_those_that_are_here(quantum: Path) -> None:
    """`--account othr`."""
    assert installed_accounts() == ("other",)
    with pytest.raises(ConfigError, match=r"no file .*othr\.toml; installed here is --account other"):
        load_config(quantum / "position-monitor-othr.toml", {})


def test_a_variable_of_a_regime_in_the_env_file_is_named_so(quantum: Path) -> None:
    """Families of variables too, also in the words of a refusal."""
    (quantum / "position-monitor.env").write_text("EXIT_REGIME_TRENDING_K1_SL=1.25\nCHALLENGE_TP1_R=1.5\n")
    shown = origins(quantum / "position-monitor.toml", {})
    assert shown["exit.regimes.TRENDING.k1"] == "env file EXIT_REGIME_TRENDING_K1_SL"
    (quantum / "position-monitor.env").write_text("CHECK_INTERVAL=soon\n")
    with pytest.raises(ConfigError, match="from env file CHECK_INTERVAL"):
        load_config(quantum / "position-monitor.toml", {})
