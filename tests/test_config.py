"""The options: their defaults, where they come from, and what is said when they are wrong."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from server.config import Config, ConfigError, Limits

SHIPPED = Path(__file__).parent.parent / "config.yaml"


def load(folder: Path, text: str = "", dotenv: str = "", **environ: str) -> Config:
    (folder / "config.yaml").write_text(text)
    (folder / ".env").write_text(dotenv)
    return Config.load(folder / "config.yaml", environ)


def faults(folder: Path, text: str = "", dotenv: str = "", **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load(folder, text, dotenv, **environ)
    assert str(refusal.value).splitlines() == refusal.value.faults  # one line each
    return refusal.value.faults


def only_fault(folder: Path, text: str = "", dotenv: str = "", **environ: str) -> str:
    (fault,) = faults(folder, text, dotenv, **environ)
    return fault


def options(model: type[BaseModel]) -> dict[str, list[str]]:
    return {section: list(field.annotation.model_fields) for section, field in model.model_fields.items()}  # type: ignore[union-attr]


# --- the file we ship ---


def test_the_shipped_file_lists_every_option_in_order_with_its_default():
    shipped = yaml.safe_load(SHIPPED.read_text())
    assert {section: list(keys) for section, keys in shipped.items()} == options(Config)
    assert Config.load(SHIPPED, {}) == Config()


def test_every_shipped_option_says_what_it_does():
    lines = [line for line in SHIPPED.read_text().splitlines() if re.match(r"  \w+:", line)]
    assert len(lines) == sum(len(keys) for keys in options(Config).values())
    assert [line for line in lines if not re.search(r" # \S+ \S+", line)] == []


def test_the_shipped_file_holds_no_secret():
    config = Config.load(SHIPPED, {})
    assert config.database.url is config.redis.url is config.mail.smtp is None
    assert config.session.keys == []


# --- where options come from ---


def test_without_a_file_at_the_usual_place_all_is_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Config.load(environ={}) == Config()


def test_a_named_file_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match=r"elsewhere\.yaml: there is no such file\. Correct --config"):
        Config.load(tmp_path / "elsewhere.yaml", {})


def test_the_environment_wins_over_dotenv_and_dotenv_over_the_file(tmp_path):
    text = "server: {port: 1111, host: a, event_timeout: 5}"
    config = load(tmp_path, text, "MATCHA_SERVER_PORT=2222\nMATCHA_SERVER_HOST=b\n", MATCHA_SERVER_PORT="3333")
    assert (config.server.port, config.server.host, config.server.event_timeout) == (3333, "b", 5.0)


def test_variables_hold_text_as_it_is_and_all_else_as_json(tmp_path):
    config = load(
        tmp_path,
        "redis: {url: redis://file/0}",
        MATCHA_SERVER_ORIGINS='["https://a.example", "http://b.example:81"]',
        MATCHA_SERVER_HOST="12",
        MATCHA_SERVER_PUBLIC_URL="https://dating.example/",
        MATCHA_REDIS_URL="null",
        MATCHA_PHOTOS_WORKERS="2",
        MATCHA_LIMITS_SCALE="1000",
        MATCHA_LOG_LEVEL="debug",
        MATCHA_MAIL_SENDER="",  # empty counts as not set
        OTHER="ignored",
    )
    assert config.server.origins == ["https://a.example", "http://b.example:81"]
    assert (config.server.host, config.server.url) == ("12", "https://dating.example")
    assert config.redis.url is None
    assert config.photos.workers == 2
    assert config.limits.scale == 1000.0
    assert config.log.level == "debug"
    assert config.mail.sender == Config().mail.sender


def test_a_section_without_keys_is_all_default(tmp_path):
    assert load(tmp_path, "server:\nlog:\n  # level: debug\n") == Config()


def test_the_data_folder_is_relative_to_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(tmp_path, "server: {data: x/../y}").server.data == tmp_path / "y"


def test_a_config_is_never_changed_but_copied():
    config = Config()
    with pytest.raises(ValueError, match="frozen"):
        config.server.port = 1  # type: ignore[misc]
    used = config.using(database_url="mysql://root@localhost/matcha", redis_url=None)
    assert (used.database.url, used.redis.url, config.database.url) == ("mysql://root@localhost/matcha", None, None)


# --- what options mean ---


def test_own_origins_are_those_of_the_public_url(tmp_path):
    assert Config().server.allowed_origins == {
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
    }
    config = load(tmp_path, "server: {public_url: 'https://Dating.example', origins: ['https://app.example']}")
    assert config.server.allowed_origins == {"https://dating.example", "https://app.example"}
    config = load(tmp_path, "server: {public_url: 'https://dating.example:8443'}")
    assert config.server.allowed_origins == {"https://dating.example:8443"}


def test_the_scale_multiplies_every_limit_but_windows():
    limits = Limits(scale=1000.0)
    for name in Limits.model_fields:
        if name != "scale":
            factor = 1 if name.endswith("_window") else 1000
            assert limits.of(name) == Limits().of(name) * factor, name


def test_a_scaled_count_is_whole_and_not_nothing_unless_it_was():
    limits = Limits(scale=0.001, likes_day=200, moves_day=0)
    assert (limits.of("likes_day"), limits.of("moves_day")) == (1, 0)
    assert limits.of("message_rate") == pytest.approx(0.001)
    assert type(Limits(scale=1.3).of("unanswered")) is int


# --- what is wrong ---


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("server: {port: 'x'}", "section 'server', key 'port'", "a whole number"),
        ("server: {port: 8080.5}", "section 'server', key 'port'", "a whole number"),
        ("server: {port: true}", "section 'server', key 'port'", "a whole number"),
        ("server: {port: 70000}", "section 'server', key 'port'", "at most 65535"),
        ("server: {host: 3}", "section 'server', key 'host'", "text"),
        ("server: {data: []}", "section 'server', key 'data'", "the path of a folder"),
        ("server: {origins: http://a}", "section 'server', key 'origins'", "a list"),
        ("server: {origins: ['http://a', 'http://b/']}", "section 'server', key 'origins', item 2", "an origin"),
        ("server: {proxies: [10.0.0.1/8]}", "section 'server', key 'proxies', item 1", "a network"),
        ("server: {event_timeout: .inf}", "section 'server', key 'event_timeout'", "a finite number"),
        ("server: {event_timeout: 0}", "section 'server', key 'event_timeout'", "more than 0"),
        ("server: {public_url: dating.example}", "section 'server', key 'public_url'", "https://dating.example.org"),
        ("database: {url: 'postgres://h/d'}", "section 'database', key 'url'", "mysql://"),
        ("database: {url: 'mysql://h:port/d'}", "section 'database', key 'url'", "mysql://"),
        ("redis: {url: 'http://h'}", "section 'redis', key 'url'", "redis://"),
        ("mail: {smtp: 'mail.example'}", "section 'mail', key 'smtp'", "smtp://"),
        ("mail: {sender: nobody}", "section 'mail', key 'sender'", "a mail address"),
        ('mail: {sender: "a <a@b.c>\\nBcc: x@y.z"}', "section 'mail', key 'sender'", "a mail address"),
        ("session: {keys: [short]}", "section 'session', key 'keys', item 1", "text of 32 characters"),
        ("password: {memory_kib: 16}", "section 'password', key 'memory_kib'", "at least 32"),
        ("socket: {backlog_hard: 9}", "section 'socket', key 'backlog_hard'", "at least socket.backlog_soft"),
        ("links: {unverified_hours: 9}", "section 'links', key 'unverified_hours'", "at least links.verify_hours"),
        ("photos: {memory_mib: 9}", "section 'photos', key 'memory_mib'", "256"),
        ("log: {level: loud}", "section 'log', key 'level'", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_value_is_told_with_file_section_key_and_what_to_do(tmp_path, text, where, expected):
    fault = only_fault(tmp_path, text)
    assert fault.startswith(f"{tmp_path / 'config.yaml'}: {where}: expected ")
    assert expected in fault
    assert "Correct it, or remove the line for the default" in fault


def test_what_does_not_exist_is_told_with_its_likeness(tmp_path):
    text = "sever: {}\nserver: {prot: 1}\nlog: 3\n"
    there = tmp_path / "config.yaml"
    assert set(faults(tmp_path, text, MATCHA_SERVER_PROXY="x")) == {
        f"{there}: there is no section 'sever'; did you mean 'server'? Remove it.",
        f"{there}: section 'server': there is no key 'prot'; did you mean 'port'? Remove the line.",
        f"{there}: section 'log': keys indented under it are expected. Correct or remove the section.",
        "Environment variable MATCHA_SERVER_PROXY: there is no such option; did you mean 'MATCHA_SERVER_PROXIES'?"
        " Unset it.",
    }


def test_a_wrong_variable_is_told_by_its_name_and_origin(tmp_path):
    fault = only_fault(tmp_path, MATCHA_SERVER_PORT="http")
    assert fault.startswith("Environment variable MATCHA_SERVER_PORT (section 'server', key 'port'): expected a whole")
    assert "unset it for the default, 8080" in fault
    assert only_fault(tmp_path, dotenv="MATCHA_SERVER_PORT=0\n").startswith(
        f"{tmp_path / '.env'}: MATCHA_SERVER_PORT (section 'server', key 'port'): expected at least 1"
    )
    assert "expected a list (written as JSON)" in only_fault(tmp_path, MATCHA_SERVER_ORIGINS="http://a")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server: {port: 1", "it is not valid YAML: line 1"),
        ("server:\n  port: 1\n  port: 2\n", "line 3, column 3: port stands here twice"),
        ("- server\n", "sections such as `server:`"),
        ("? [a]\n: b\n", "it is not valid YAML"),
    ],
)
def test_a_file_that_is_no_options_is_told(tmp_path, text, words):
    assert words in only_fault(tmp_path, text)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "config.yaml").write_bytes(b"server: \xff")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        Config.load(tmp_path / "config.yaml", {})
    with pytest.raises(ConfigError, match="Is a directory"):
        Config.load(tmp_path, {})


def test_no_value_is_ever_repeated(tmp_path):
    secret = "hunter2-is-my-word"
    told = faults(
        tmp_path,
        f"database: {{url: 'http://root:{secret}@h/d', pool: {secret}}}\nsession: {{keys: ['{secret}']}}\n",
        f"MATCHA_MAIL_SMTP=http://me:{secret}@h\n",
        MATCHA_REDIS_URL=f"http://:{secret}@h",
    )
    assert len(told) == 5
    assert secret not in "".join(told)


def test_no_secret_is_in_the_text_of_a_config(tmp_path):
    secret = "hunter2-is-my-word-and-it-is-very-long"
    config = load(
        tmp_path,
        f"database: {{url: 'mysql://root:{secret}@h/d'}}\nredis: {{url: 'redis://:{secret}@h'}}\n"
        f"mail: {{smtp: 'smtp://me:{secret}@h'}}\nsession: {{keys: ['{secret}']}}\n",
    )
    assert config.session.keys == [secret]
    assert secret not in repr(config) + str(config)
