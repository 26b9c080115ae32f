from __future__ import annotations

import django
import environs
import pytest
from django.core import mail

from quickscale.env import Env
from quickscale.postgres import ENGINE


@pytest.fixture
def clean(monkeypatch):
    for name in ("DATABASE_URL", "SITE_PORT", "SITE_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("clean")
def test_without_an_address_the_database_is_the_projects_own(tmp_path):
    database = Env(tmp_path).database(debug=True)
    assert database["ENGINE"] == ENGINE
    assert database["HOST"] == str(tmp_path / ".quickscale" / "postgres")
    assert database["NAME"] == "quickscale"


@pytest.mark.usefixtures("clean")
def test_in_production_the_address_of_the_database_is_required(tmp_path):
    env = Env(tmp_path)
    env.database(debug=False)
    with pytest.raises(environs.EnvValidationError, match="DATABASE_URL: Environment variable not"):
        env.seal()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("debug", [True, False])
def test_an_address_always_takes_precedence(tmp_path, monkeypatch, debug):
    (tmp_path / ".quickscale" / "postgres").mkdir(parents=True)
    monkeypatch.setenv("DATABASE_URL", "postgres://me:secret@db.example.com:5433/site")
    database = Env(tmp_path).database(debug=debug)
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"]) == ("db.example.com", 5433)
    assert (database["NAME"], database["USER"]) == ("site", "me")


@pytest.mark.usefixtures("clean")
def test_the_projects_env_file_is_read_and_the_environment_takes_precedence(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("SITE_KEY=file\nSITE_PORT=1\n")
    monkeypatch.setenv("SITE_PORT", "2")
    env = Env(tmp_path)
    assert env.str("SITE_KEY") == "file"
    assert env.int("SITE_PORT") == 2


@pytest.mark.usefixtures("clean")
def test_all_problems_are_reported_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SITE_PORT", "many")
    env = Env(tmp_path)
    env.int("SITE_PORT")
    env.str("SITE_KEY")
    with pytest.raises(environs.EnvValidationError) as caught:
        env.seal()
    assert set(caught.value.error_messages) == {"SITE_PORT", "SITE_KEY"}


@pytest.mark.usefixtures("clean")
def test_a_wrong_database_address_is_reported_with_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "nonsense://")
    env = Env(tmp_path)
    env.database(debug=True)
    env.str("SITE_KEY")
    with pytest.raises(environs.EnvValidationError, match=r"(?s)DATABASE_URL: .*SITE_KEY: "):
        env.seal()


@pytest.fixture
def no_mail_server(monkeypatch):
    for name in ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL"):
        monkeypatch.delenv(f"EMAIL_{name}", raising=False)


@pytest.mark.usefixtures("no_mail_server")
@pytest.mark.parametrize(
    ("debug", "host", "backend"),
    [(True, None, "console"), (True, "mail.example.com", "smtp"), (False, None, "smtp")],
)
def test_mail_is_printed_only_in_development_without_a_server(
    tmp_path, monkeypatch, debug, host, backend
):
    if host:
        monkeypatch.setenv("EMAIL_HOST", host)
    found = Env(tmp_path).email(debug=debug)
    if django.VERSION >= (6, 1):
        assert found["MAILERS"]["default"]["BACKEND"].split(".")[-2] == backend
    else:
        assert found["EMAIL_BACKEND"].split(".")[-2] == backend


@pytest.mark.usefixtures("no_mail_server")
def test_mail_settings_are_those_of_the_running_django(tmp_path, monkeypatch):
    monkeypatch.setenv("EMAIL_HOST", "mail.example.com")
    monkeypatch.setenv("EMAIL_HOST_USER", "me")
    found = Env(tmp_path).email(debug=False)
    if django.VERSION >= (6, 1):
        options = found["MAILERS"]["default"]["OPTIONS"]
        assert (options["host"], options["username"]) == ("mail.example.com", "me")
    else:
        assert (found["EMAIL_HOST"], found["EMAIL_HOST_USER"]) == ("mail.example.com", "me")


@pytest.mark.parametrize(("text", "count"), [(None, 0), ("a@example.com,b@example.com", 2)])
def test_errors_are_mailed_to_the_admins_in_the_form_of_the_running_django(
    tmp_path, monkeypatch, settings, text, count
):
    monkeypatch.delenv("ADMINS", raising=False)
    if text:
        monkeypatch.setenv("ADMINS", text)
    settings.ADMINS = Env(tmp_path).admins()
    mail.mail_admins("Error", "Traceback")
    assert sum(len(message.to) for message in mail.outbox) == count


@pytest.mark.usefixtures("no_mail_server")
def test_mails_about_errors_have_the_sites_sender(tmp_path, monkeypatch):
    monkeypatch.setenv("DEFAULT_FROM_EMAIL", "shop@example.com")
    assert Env(tmp_path).email(debug=False)["SERVER_EMAIL"] == "shop@example.com"


def test_https_is_required_in_production_only(tmp_path, monkeypatch):
    monkeypatch.delenv("BEHIND_PROXY", raising=False)
    cookies = {f"{cookie}_COOKIE_SECURE" for cookie in ("SESSION", "CSRF", "LANGUAGE")}
    names = {"SECURE_SSL_REDIRECT", *cookies}
    for debug in (True, False):
        found = Env(tmp_path).security(debug=debug)
        assert {found[name] for name in names} == {not debug}
        assert bool(found["SECURE_HSTS_SECONDS"]) is not debug
        assert found["SECURE_PROXY_SSL_HEADER"] is None
        assert found["QUICKSCALE_TRUSTED_PROXY_COUNT"] == 0


def test_behind_a_proxy_its_headers_are_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("BEHIND_PROXY", "true")
    monkeypatch.delenv("TRUSTED_PROXY_COUNT", raising=False)
    found = Env(tmp_path).security(debug=False)
    assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert found["QUICKSCALE_TRUSTED_PROXY_COUNT"] == 1
