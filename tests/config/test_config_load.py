"""Loading: precedence, origins, exact decimals, credentials, secrets, and every kind of bad configuration."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from position_monitor.config import Config, InvalidConfig, load_config
from position_monitor.config.problems import fields_by_key
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.settings import OnBreach, Policy, Rung
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.errors import ConfigError


def parse(text: str, environ: dict[str, str] | None = None) -> Config:
    """A configuration from TOML text."""
    return Config.from_data(tomllib.loads(text, parse_float=Decimal), environ)


def problems(text: str, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    """What is wrong with it."""
    with pytest.raises(InvalidConfig) as caught:
        parse(text, environ)
    return caught.value.problems


BAD_VALUES = [
    # text, key, value as shown, what is allowed
    ('account = "ma in"', "account", '"ma in"', "letters, digits"),
    ('exchange.id = "bybit"', "exchange.id", '"bybit"', '"binanceusdm"'),
    ('exchange.environment = "prod"', "exchange.environment", '"prod"', '"paper", "demo", "live"'),
    ("exchange = 3", "exchange", "3", "a table"),
    ('exchange.rest_url = "ftp://x"', "exchange.rest_url", '"ftp://x"', "http:// or https://"),
    ('exchange.stream_url = "http://x"', "exchange.stream_url", '"http://x"', "ws:// or wss://"),
    ('exchange.rest_url = "http://h/api"', "exchange.rest_url", '"http://h/api"', "without a path"),
    ('exchange.rest_url = "http://h:99999"', "exchange.rest_url", '"http://h:99999"', "from 1 to 65535"),
    ('redis.url = "redis://:pw@h:0/0"', "redis.url", '"redis://:***@h:0/0"', "from 1 to 65535"),
    ('redis.url = "redis+sentinel://a:1,b:x/m/0"', "redis.url", '"redis+sentinel://a:1,b:x/m/0"', "1 to 65535"),
    ("protection.stop_loss_pct = 1e400", "protection.stop_loss_pct", "1E+400", "above 0 up to 50"),
    ('ai_engine.url = "http://"', "ai_engine.url", '"http://"', "http:// or https://"),
    ("exchange.request_timeout_s = 0", "exchange.request_timeout_s", "0", "from 0.2 to 30"),
    ("loop.check_interval_s = 61", "loop.check_interval_s", "61", "from 1 to 60"),
    ("loop.check_interval_s = true", "loop.check_interval_s", "true", "a number"),
    ('loop.check_interval_s = "soon"', "loop.check_interval_s", '"soon"', "a number"),
    ("loop.check_interval_s = inf", "loop.check_interval_s", "Infinity", "a number"),
    ("loop.cycle_deadline_s = 30", "loop.cycle_deadline_s", "30", "to 29"),
    ('protection.mode = "off"', "protection.mode", '"off"', '"live", "observe"'),
    ("protection.stop_loss_pct = nan", "protection.stop_loss_pct", "NaN", "above 0 up to 50"),
    ("protection.stop_loss_pct = -1.5", "protection.stop_loss_pct", "-1.5", "above 0 up to 50"),
    ("protection.stop_loss_pct = 150", "protection.stop_loss_pct", "150", "above 0 up to 50"),
    ("protection.ladder = []", "protection.ladder", "[]", "1 to 4 tables"),
    (
        'protection.ladder = [{target_pct = 2, share_pct = 100, kind = "maker"}]',
        "protection.ladder[0].kind",
        '"maker"',
        'one of "market", "limit"',
    ),
    ('protection.working_type = "LAST"', "protection.working_type", '"LAST"', '"MARK_PRICE"'),
    ('protection.rebase_on_add = "yes"', "protection.rebase_on_add", '"yes"', "true or false"),
    ('protection.on_breach = "flatten"', "protection.on_breach", '"flatten"', '"reanchor", "close", "alert"'),
    ('protection.foreign_orders = "cancel"', "protection.foreign_orders", '"cancel"', '"respect", "ignore"'),
    ("protection.liquidation_fraction_pct = 100", "protection.liquidation_fraction_pct", "100", "from 10 to 95"),
    ('exit.mode = "BOTH"', "exit.mode", '"BOTH"', '"LEGACY", "EXIT_BRAIN_V3"'),
    ('exit.brain_v3_enabled = "on"', "exit.brain_v3_enabled", '"on"', "true, false or auto"),
    ('exit.profile = "YOLO"', "exit.profile", '"YOLO"', '"CHALLENGE_100"'),
    ('exit.legacy_policy = "none"', "exit.legacy_policy", '"none"', '"static", "hybrid"'),
    ('symbols.unmanaged = ["BTCUSDT:BOTH"]', "symbols.unmanaged[0]", '"BTCUSDT:BOTH"', "LONG or SHORT"),
    ('symbols.unmanaged = ["btcusdt"]', "symbols.unmanaged[0]", '"btcusdt"', "BTCUSDT"),
    ('symbols.unmanaged = ["BTC/USDT:USDT"]', "symbols.unmanaged[0]", '"BTC/USDT:USDT"', "exchange's own id"),
    ("symbols.BTCUSDT.stop_loss_pct = 0", "symbols.BTCUSDT.stop_loss_pct", "0", "above 0 up to 50"),
    ("symbols.BTCUSDT = 3", "symbols.BTCUSDT", "", "[symbols.<SYMBOL>]"),
    ("evidence.flat_reads = 1", "evidence.flat_reads", "1", "a whole number from 2 to 20"),
    ("evidence.flat_reads = 2.5", "evidence.flat_reads", "2.5", "a whole number"),
    ("limits.refusals_before_close = 0", "limits.refusals_before_close", "0", "from 1 to 20"),
    ("limits.conditional_orders_max = 9", "limits.conditional_orders_max", "9", "0, or a whole number from 10 to 1000"),
    ('redis.url = ""', "redis.url", '""', "redis://"),
    ('redis.url = "http://x"', "redis.url", '"http://x"', "redis://"),
    ('redis.prefix = "a b"', "redis.prefix", '"a b"', "letters, digits"),
]


@pytest.mark.parametrize(("text", "key", "value", "allowed"), BAD_VALUES)
def test_a_bad_value_is_named_with_what_is_allowed(text: str, key: str, value: str, allowed: str) -> None:
    """Fault G1, G2: one problem that holds the key, the value that was found and what is allowed."""
    (problem,) = problems(text)
    assert problem.startswith(key)
    assert value in problem
    assert allowed in problem


ODD_VALUES = [
    "", " ", "x", "0", -1, 0, 1, 10**30, True, Decimal("NaN"), Decimal("Infinity"), Decimal("1E+400"), [], [[]], [{}],
    {}, {"x": 1}, {"overrides": {}}, date(2025, 12, 21), datetime(2025, 12, 21, 23, tzinfo=UTC), "redis://[", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("section", sorted(fields_by_key(Config)))
def test_no_value_of_any_key_is_more_than_a_config_error(section: str) -> None:
    """Whatever stands in the file, the answer is a configuration or a ConfigError: exit 78, not a traceback."""
    table = fields_by_key(Config)[section].get_default(call_default_factory=True)
    keys = [] if section == "account" else [*fields_by_key(type(table)), "NEWUSDT"]
    for value in ODD_VALUES:
        for data in ({section: value}, *({section: {key: value}} for key in keys)):
            try:
                config = Config.from_data(data)
            except ConfigError as error:
                assert str(error)
            else:
                assert config.protection_for("NEWUSDT", Side.LONG).stop_loss_pct > 0
                assert config.config_hash


UNKNOWN = [
    ("enviroment = 1", "enviroment is not a known key"),
    (
        'exchange.enviroment = "live"',
        'exchange.enviroment is not a known key (was "live"); did you mean "environment"?',
    ),
    ("loop.check_interval = 10", 'did you mean "check_interval_s"?'),
    ("stops.enabled = false", "stops is not a known key; known here: account"),
    ("symbols.BTCUSDT.mode = 'observe'", "symbols.BTCUSDT.mode is not a known key"),
    ("protection.ladder = [{target_pct = 2, share_pct = 100, x = 1}]", "protection.ladder[0].x is not a known key"),
    ('symbols.unmanged = ["XYZUSDT"]', "symbols.unmanged: only `unmanaged` and tables"),
    ("evidence_section.flat_reads = 3", "evidence_section is not a known key"),
]


@pytest.mark.parametrize(("text", "words"), UNKNOWN)
def test_an_unknown_key_is_an_error(text: str, words: str) -> None:
    """Fault G1: a typo must not silently mean the default."""
    (problem,) = problems(text)
    assert words in problem


BROKEN_RULES = [
    ("redis.lease_ttl_s = 5", "loop.check_interval_s + 2 * exchange.request_timeout_s <= redis.lease_ttl_s"),
    ("loop.full_sweep_s = 5", "loop.full_sweep_s >= loop.check_interval_s"),
    ("loop.cycle_deadline_s = 7", "loop.cycle_deadline_s >= 2 * exchange.request_timeout_s"),
    ("protection.stop_loss_pct = 0.015", "bounds.stop_loss_min_pct <= protection.stop_loss_pct"),
    ("protection.take_profit_pct = 0.2", "bounds.target_min_pct <= protection.take_profit_pct"),
    ("bounds.stop_loss_min_pct = 5", "bounds.stop_loss_min_pct < bounds.stop_loss_max_pct"),
    ("bounds.target_min_pct = 20", "bounds.target_min_pct < bounds.target_max_pct"),
    ("bounds.reward_risk_min = 5", "bounds.reward_risk_min < bounds.reward_risk_max"),
    ("bounds.reward_risk_max = 2", "protection.ladder[2].target_pct / stop_loss_pct <= bounds.reward_risk_max"),
    ("protection.ladder = [{target_pct = 2, share_pct = 99}]", "must sum to 100 %, but sum to 99 %"),
    (
        "protection.ladder = [{target_pct = 3, share_pct = 50}, {target_pct = 2, share_pct = 50}]",
        "targets of protection.ladder must ascend, but are 3, 2",
    ),
    ("protection.ladder = [{target_pct = 16, share_pct = 100}]", "protection.ladder[0].target_pct <= bounds.target_m"),
    ("protection.max_loss_pct = 1", "protection.max_loss_pct > protection.stop_loss_pct"),
    ("protection.foreign_stop_max_pct = 1", "protection.foreign_stop_max_pct >= protection.stop_loss_pct"),
    ("limits.owned_orders_per_position_max = 5", "limits.owned_orders_per_position_max >= rungs of the ladder + 3"),
    ("symbols.BTCUSDT.stop_loss_pct = 9", "symbols.BTCUSDT.stop_loss_pct <= bounds.stop_loss_max_pct"),
    (
        'exchange.environment = "demo"\nexchange.rest_url = "http://192.0.2.7"',
        "exchange.rest_url must begin with https://",
    ),
]


@pytest.mark.parametrize(("text", "inequality"), BROKEN_RULES)
def test_a_broken_rule_names_its_inequality(text: str, inequality: str) -> None:
    """Fault G3: the start is refused and the inequality is said."""
    found = problems(text, {"EXCHANGE_API_KEY": "key", "EXCHANGE_API_SECRET": "secret"})
    assert any(inequality in problem for problem in found), found


def test_every_problem_is_reported_at_once() -> None:
    """An operator corrects a file once, not six times."""
    text = 'nonsense = 1\nexchange.environment = "live"\n[protection]\nstop_loss_pct = 9\n[loop]\nfull_sweep_s = 2'
    found = "\n".join(problems(text))
    for words in ("nonsense", "stop_loss_pct", "full_sweep_s", "exchange_api_key", "exchange_api_secret"):
        assert words in found


def test_an_inherited_problem_is_said_once() -> None:
    """A symbol's table does not repeat what is wrong with the account."""
    found = problems("protection.max_loss_pct = 1\nsymbols.BTCUSDT.trailing_pct = 2\nsymbols.ETHUSDT.trailing_pct = 2")
    assert len(found) == 1


@pytest.mark.parametrize("text", ["protection.stop_loss_pct = 1.1", 'protection.stop_loss_pct = "1.1"'])
def test_decimals_are_exact(text: str) -> None:
    """Fault D2: 1.1 from a file is 1.1, not 1.100000000000000088817841970012523."""
    assert parse(text).protection.stop_loss_pct == Decimal("1.1")


def test_environment_overrides_the_file_and_is_remembered() -> None:
    """DESIGN 4: the stack's variables win, and `config show` says so."""
    environ = {
        "CHECK_INTERVAL": "15",
        "REDIS_URL": "redis://user:hunter22@redis.example:6380/1",
        "AI_ENGINE_URL": "http://127.0.0.1:8001/",
        "BACKEND_URL": "http://127.0.0.1:8000",
        "EXIT_MODE": "exit_brain_v3",
        "EXIT_EXECUTOR_MODE": "shadow",
        "EXIT_BRAIN_V3_ENABLED": "1",
        "EXIT_BRAIN_V3_LIVE_ROLLOUT": "disabled",
        "EXIT_BRAIN_PROFILE": "TREND",
    }
    config = parse('loop.check_interval_s = 5\nexit.mode = "LEGACY"\naccount = "desk"', environ)
    shown = {key: (value, origin) for key, value, origin in config.effective()}
    assert shown["loop.check_interval_s"] == ("15", "environment CHECK_INTERVAL")
    assert shown["redis.url"] == ('"redis://user:***@redis.example:6380/1"', "environment REDIS_URL")
    assert shown["ai_engine.url"] == ('"http://127.0.0.1:8001"', "environment AI_ENGINE_URL")
    assert shown["backend.url"] == ('"http://127.0.0.1:8000"', "environment BACKEND_URL")
    assert shown["exit.mode"] == ('"EXIT_BRAIN_V3"', "environment EXIT_MODE")
    assert shown["exit.executor_mode"] == ('"SHADOW"', "environment EXIT_EXECUTOR_MODE")
    assert shown["exit.brain_v3_enabled"] == ("true", "environment EXIT_BRAIN_V3_ENABLED")
    assert shown["exit.live_rollout"] == ('"DISABLED"', "environment EXIT_BRAIN_V3_LIVE_ROLLOUT")
    assert shown["exit.profile"] == ('"TREND"', "environment EXIT_BRAIN_PROFILE")
    assert shown["account"] == ('"desk"', "file")
    assert shown["loop.full_sweep_s"] == ("60", "default")


@pytest.mark.parametrize("interval", ["1", "10", "30", "60"])
def test_every_allowed_check_interval_starts(interval: str) -> None:
    """The stack's CHECK_INTERVAL alone must never keep the guardian from starting: the lease follows it."""
    config = parse("", {"CHECK_INTERVAL": interval})
    assert config.loop.check_interval_s + 2 * config.exchange.request_timeout_s <= config.lease_ttl_s


def test_empty_variables_are_unset() -> None:
    """Compose files pass `EXIT_MODE=` for "not set"."""
    assert parse("", {"EXIT_MODE": "", "CHECK_INTERVAL": " "}).loop.check_interval_s == 10


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("CHECK_INTERVAL", "10s", 'loop.check_interval_s was "10s" (from environment CHECK_INTERVAL)'),
        ("CHECK_INTERVAL", "0", "loop.check_interval_s was 0 (from environment CHECK_INTERVAL)"),
        ("EXIT_MODE", "AUTO", 'exit.mode was "AUTO" (from environment EXIT_MODE)'),
        ("EXIT_BRAIN_V3_ENABLED", "maybe", 'exit.brain_v3_enabled was "maybe" (from environment EXIT_BRAIN_V3_EN'),
        ("EXIT_EXECUTOR_MODE", "DRY", 'exit.executor_mode was "DRY"'),
        ("EXIT_BRAIN_V3_LIVE_ROLLOUT", "50", 'exit.live_rollout was "50"'),
        ("EXIT_BRAIN_PROFILE", "X", 'exit.profile was "X"'),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str, words: str) -> None:
    """The operator must learn which variable is wrong, not only which key."""
    (problem,) = problems("", {variable: value})
    assert words in problem


@pytest.mark.parametrize(
    "url", ["redis://u:hunter22@", "redis:/u:hunter22@h", "u:hunter22@host", "http://h/?password=hunter22"]
)
def test_a_refused_url_does_not_leak_its_password(url: str) -> None:
    """Invariant 15: errors are read aloud in chats."""
    with pytest.raises(InvalidConfig) as caught:
        parse("", {"REDIS_URL": url})
    assert "hunter22" not in str(caught.value)
    assert caught.value.__cause__ is None and "hunter22" not in repr(caught.value.__context__)


def test_secrets_are_in_no_representation() -> None:
    """Invariant 15: neither repr, nor the shown values, nor the hash know a secret."""
    environ = {"EXCHANGE_API_KEY": "key-abc", "EXCHANGE_API_SECRET": "sec-def", "REDIS_URL": "redis://:pw-ghi@h:1/0"}
    config = parse('exchange.environment = "live"', environ)
    text = repr(config) + str(config.credentials) + repr(list(config.effective()))
    for secret in ("key-abc", "sec-def", "pw-ghi"):
        assert secret not in text
    rotated = environ | {"EXCHANGE_API_KEY": "other", "REDIS_URL": "redis://:new@h:1/0"}
    assert parse('exchange.environment = "live"', rotated).config_hash == config.config_hash
    assert config.credentials.api_key.get_secret_value() == "key-abc"


def test_the_hash_follows_effective_values_only() -> None:
    """Written differently, the same; another value, another hash."""
    assert parse("").config_hash == parse("[protection]\nstop_loss_pct = 1.50").config_hash
    assert parse("").config_hash == parse("loop.check_interval_s = 5", {"CHECK_INTERVAL": "10"}).config_hash
    assert parse("").config_hash != parse("protection.stop_loss_pct = 1.6").config_hash
    assert parse("").config_hash != parse("symbols.BTCUSDT.stop_loss_pct = 1.6").config_hash


def test_credentials_come_from_files_first(tmp_path: Path) -> None:
    """LoadCredential= wins over variables, which every child would inherit."""
    (tmp_path / "exchange_api_key").write_text("file-key\n")
    (tmp_path / "exchange_api_secret").write_text("file-secret")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "EXCHANGE_API_KEY": "e", "EXCHANGE_API_SECRET": "e"}
    keys = parse('exchange.environment = "live"', environ).credentials
    assert (keys.api_key.get_secret_value(), keys.api_secret.get_secret_value()) == ("file-key", "file-secret")
    assert keys.origin == f"credential files in {tmp_path}"


def test_a_blank_credential_file_is_none(tmp_path: Path) -> None:
    """The unit's SetCredential= leaves a blank so that a paper account starts: it is no key, and hides none."""
    for name in ("exchange_api_key", "exchange_api_secret"):
        (tmp_path / name).write_text(" \n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert parse("", environ).credentials.origin == "paper default"
    assert len(problems('exchange.environment = "live"', environ)) == 2
    environ |= {"EXCHANGE_API_KEY": "k", "EXCHANGE_API_SECRET": "s"}
    assert parse('exchange.environment = "live"', environ).credentials.origin == "environment"


def test_paper_needs_no_credentials() -> None:
    """The embedded default opens with its own pair."""
    assert parse("").credentials.api_key.get_secret_value() == "paper-key"
    assert parse("").credentials.api_secret.get_secret_value() == "paper-secret"


@pytest.mark.parametrize("environment", ["demo", "live"])
def test_missing_credentials_are_problems(environment: str) -> None:
    """Both are named, with both places they may come from."""
    found = problems(f'exchange.environment = "{environment}"', {"EXCHANGE_API_KEY": ""})
    assert len(found) == 2
    assert all("CREDENTIALS_DIRECTORY" in problem and "EXCHANGE_API_" in problem for problem in found)


@pytest.mark.parametrize("content", ["two\nlines", "with blank", "tab\tbed", "\x00"])
def test_a_damaged_credential_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    """A pasted key with a line break would sign garbage; saying so must not print it."""
    (tmp_path / "exchange_api_key").write_text(content)
    found = problems("", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert len(found) == 1 and "exchange_api_key" in found[0] and content.split()[0] not in found[0].split()


def test_an_unreadable_credential_is_said(tmp_path: Path) -> None:
    """Even on paper: a credential that is there and cannot be read is a mistake."""
    (tmp_path / "exchange_api_key").mkdir()
    assert "could not be read" in problems("", {"CREDENTIALS_DIRECTORY": str(tmp_path)})[0]


def test_reading_state_needs_no_exchange_key() -> None:
    """`status` runs as an ordinary user; asking for the key then is still an error with its reason."""
    config = Config.from_data({"exchange": {"environment": "live"}}, {}, need_credentials=False)
    with pytest.raises(ConfigError, match="exchange_api_key"):
        _ = config.credentials


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file"),
        (b"a = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"#" * 1_000_001, "more than 1000000 bytes"),
        (b"a = 1\na = 2", "not valid TOML"),
    ],
)
def test_an_unreadable_file_is_a_config_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Whatever is wrong with the file, it is a ConfigError with the path."""
    path = tmp_path / "position-monitor.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(path, {})
    assert str(path) in str(caught.value)


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    """An OSError is a ConfigError too."""
    with pytest.raises(ConfigError, match="could not be read"):
        load_config(tmp_path, {})


def test_the_path_comes_from_the_environment(tmp_path: Path) -> None:
    """POSITION_MONITOR_CONFIG names the file; an argument wins over it."""
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text('account = "first"')
    second.write_text('account = "second"')
    environ = {"POSITION_MONITOR_CONFIG": str(first)}
    assert load_config(None, environ).account == "first"
    assert load_config(second, environ).account == "second"


def test_settings_of_a_position() -> None:
    """Overrides of one symbol reach the core as plain values; other symbols keep the account's."""
    config = parse(
        '[protection]\nstop_loss_pct = 2\non_breach = "close"\n'
        '[symbols.BTCUSDT]\nstop_loss_pct = 1.0\nprofile = "TREND"\nforeign_orders = "ignore"\n'
        'working_type = "CONTRACT_PRICE"\nladder = [{target_pct = 2, share_pct = 100}]\n'
        '[symbols."币安人生USDT"]\ntrailing_pct = 0.7'
    )
    own, other = config.protection_for("BTCUSDT", Side.LONG), config.protection_for("ETHUSDT", Side.SHORT)
    assert (own.stop_loss_pct, other.stop_loss_pct) == (Decimal("1.0"), Decimal(2))
    assert (own.profile, other.profile) == ("TREND", "DEFAULT")
    assert (own.respect_foreign_orders, other.respect_foreign_orders) == (False, True)
    assert own.working_type is WorkingType.CONTRACT_PRICE
    assert own.ladder == (Rung(Decimal(2), Decimal(100)),)
    assert other.ladder == tuple(Rung(Decimal(t), Decimal(s)) for t, s in (("1.5", 30), ("2.5", 30), ("4.0", 40)))
    assert own.on_breach is other.on_breach is OnBreach.CLOSE
    assert own.policy is Policy.HYBRID
    assert config.protection_for("币安人生USDT", Side.LONG).trailing_pct == Decimal("0.7")


def test_unmanaged_positions_are_named_explicitly() -> None:
    """Fault G6: only what is listed is left alone, a side only when it is named."""
    config = parse('symbols.unmanaged = ["XYZUSDT", "BTCUSDT:SHORT"]')
    listed = [PositionKey("XYZUSDT", Side.LONG), PositionKey("XYZUSDT", Side.SHORT), PositionKey("BTCUSDT", Side.SHORT)]
    assert all(config.is_unmanaged(key) for key in listed)
    assert not config.is_unmanaged(PositionKey("BTCUSDT", Side.LONG))
    assert not config.is_unmanaged(PositionKey("ETHUSDT", Side.LONG))


def test_core_settings_carry_units() -> None:
    """Seconds become milliseconds, counts stay counts."""
    config = parse("evidence.listing_grace_s = 2.5\nlimits.closes_per_minute_max = 9")
    assert config.evidence().listing_grace_ms == 2500
    assert config.evidence().flat_reads == 3
    assert config.limits().closes_per_minute_max == 9
    assert config.limits().conditional_orders_max == 0, "the venue's own limit"


@pytest.mark.parametrize(
    ("text", "rest", "stream"),
    [
        ("", "http://127.0.0.1:8799", "ws://127.0.0.1:8799"),
        ('exchange.rest_url = "https://x.example"', "https://x.example", "wss://x.example"),
        ('exchange.environment = "live"', "", ""),
    ],
)
def test_origins_of_the_venue(text: str, rest: str, stream: str) -> None:
    """Paper is on loopback, live is the venue's own, an override brings its streams along."""
    config = parse(text, {"EXCHANGE_API_KEY": "k", "EXCHANGE_API_SECRET": "s"})
    assert (config.exchange.effective_rest_url, config.exchange.effective_stream_url) == (rest, stream)


def test_a_configuration_cannot_be_changed() -> None:
    """What was checked is what runs."""
    with pytest.raises(ValueError, match="frozen"):
        parse("").protection.mode = "observe"
