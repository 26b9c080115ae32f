"""What the settings of a new project take from the package."""

from __future__ import annotations

import pytest
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from quickscale import project
from quickscale.conf import PAGE_POLICY

EVERYTHING = project.installed_apps(*project.OPTIONAL_APPS, debug=True)


def order(entries, *names):
    return [entries.index(name) for name in names]


def test_every_app_is_included():
    for app in EVERYTHING:
        AppConfig.create(app)


@pytest.mark.parametrize(
    "known",
    [project.MIDDLEWARE, project.CONTEXT_PROCESSORS, project.AUTHENTICATION_BACKENDS],
)
def test_every_entry_exists_and_belongs_to_an_app_of_the_project(known):
    for name, app in known.items():
        assert import_string(name)
        assert app is None or app in project.APPS


def test_optional_and_development_apps_exist():
    assert (project.OPTIONAL_APPS | project.DEVELOPMENT_APPS).issubset(project.APPS)
    assert project.OPTIONAL_MIDDLEWARE.issubset(project.MIDDLEWARE)


class TestInstalledApps:
    def test_the_templates_of_the_site_come_first_and_ours_before_those_that_they_override(self):
        apps = project.installed_apps("users", "tools")
        assert apps[:2] == ["users", "tools"]
        ours = order(apps, "quickscale_accounts", "allauth", "django.contrib.auth")
        assert ours == sorted(ours)
        assert apps.index("whitenoise.runserver_nostatic") < apps.index(
            "django.contrib.staticfiles"
        )

    def test_samples_and_the_sandbox_are_for_development(self):
        assert set(project.installed_apps(debug=True)) >= project.DEVELOPMENT_APPS
        assert not project.DEVELOPMENT_APPS & set(project.installed_apps(debug=False))
        assert "quickscale_credits.samples" in project.installed_apps("quickscale_credits.samples")

    def test_an_optional_app_takes_its_place(self):
        assert "allauth.mfa" not in project.installed_apps()
        apps = project.installed_apps("allauth.mfa", "users")
        assert apps[0] == "users"
        assert apps.index("allauth.mfa") == apps.index("allauth.account") + 1

    def test_further_apps_of_packages_whose_templates_we_replace_come_after_ours(self):
        google, humanize = "allauth.socialaccount.providers.google", "django.contrib.humanize"
        apps = project.installed_apps(google, humanize, "users")
        assert apps == ["users", *project.installed_apps(), google, humanize]

    def test_an_included_app_may_be_named_again(self):
        assert project.installed_apps("csp") == project.installed_apps()

    def test_an_app_can_be_left_out(self):
        apps = project.installed_apps("users", without=["csp", "quickscale_credits.samples"])
        assert set(project.installed_apps("users")) - set(apps) == {"csp"}

    def test_the_admin_is_behind_our_sign_in_where_there_is_one(self):
        ours = "quickscale_accounts.apps.AdminConfig"
        assert ours in project.installed_apps()
        plain = project.installed_apps(without=["quickscale_accounts"])
        assert "django.contrib.admin" in plain
        assert ours not in plain
        assert ours not in project.installed_apps(without=["django.contrib.admin"])


class TestMiddleware:
    def test_the_order(self):
        middleware = [name.rpartition(".")[2] for name in project.middleware(EVERYTHING)]
        for names in (
            "SecurityMiddleware WhiteNoiseMiddleware SessionMiddleware CommonMiddleware",
            "SessionMiddleware CsrfViewMiddleware AuthenticationMiddleware AccountMiddleware",
            "AuthenticationMiddleware LoginRedirectMiddleware MethodNotAllowedMiddleware",
            "SessionMiddleware MessageMiddleware HtmxMessagesMiddleware HtmxMiddleware",
        ):
            found = order(middleware, *names.split())
            assert found == sorted(found), names

    def test_an_apps_middleware_is_left_out_with_it(self):
        apps = project.installed_apps(without=["csp", "whitenoise.runserver_nostatic"])
        missing = set(project.middleware(EVERYTHING)) - set(project.middleware(apps))
        assert missing == {
            "csp.middleware.CSPMiddleware",
            "whitenoise.middleware.WhiteNoiseMiddleware",
        }

    def test_an_app_may_be_named_by_its_configuration(self):
        apps = ["allauth.account.apps.AccountConfig"]
        assert "allauth.account.middleware.AccountMiddleware" in project.middleware(apps)

    def test_additions_come_last_unless_they_have_a_place(self):
        locale = "django.middleware.locale.LocaleMiddleware"
        assert locale not in project.middleware(EVERYTHING)
        middleware = project.middleware(EVERYTHING, "site.First", locale, "site.Last")
        assert middleware[-2:] == ["site.First", "site.Last"]
        places = order(
            middleware,
            "django.contrib.sessions.middleware.SessionMiddleware",
            locale,
            "django.middleware.common.CommonMiddleware",
        )
        assert places == sorted(places)

    def test_several_languages_need_one_more(self):
        several = project.middleware(EVERYTHING, languages=project.languages())
        assert set(several) - {*project.middleware(EVERYTHING)} == project.OPTIONAL_MIDDLEWARE
        german = project.middleware(EVERYTHING, languages=[("de", "German")])
        assert german == project.middleware(EVERYTHING)

    def test_middleware_can_be_left_out(self):
        gone = "quickscale.middleware.MethodNotAllowedMiddleware"
        middleware = project.middleware(EVERYTHING, without=[gone])
        assert {*project.middleware(EVERYTHING)} - {*middleware} == {gone}


@pytest.mark.parametrize(
    "call",
    [
        lambda without: project.installed_apps(without=without),
        lambda without: project.middleware(EVERYTHING, without=without),
        lambda without: project.context_processors(EVERYTHING, without=without),
        lambda without: project.authentication_backends(EVERYTHING, without=without),
        lambda without: project.auth_password_validators(without=without),
        lambda without: project.languages(without=without),
        lambda without: project.silenced_system_checks(without=without),
        lambda without: project.content_security_policy(without=without),
    ],
)
@pytest.mark.parametrize("without", [["nonsense"], "nonsense"])
def test_leaving_out_an_unknown_name_is_an_error(call, without):
    with pytest.raises(ImproperlyConfigured, match=r"without='nonsense' leaves out nothing"):
        call(without)


def test_the_error_for_a_misspelt_name_suggests_the_right_one():
    with pytest.raises(ImproperlyConfigured, match=r"Did you mean 'quickscale_credits'\?$"):
        project.installed_apps(without=["quickscale_credit"])


def test_lists_that_follow_the_installed_apps():
    assert len(project.authentication_backends(EVERYTHING)) == 2
    assert project.authentication_backends(["django.contrib.auth"], "site.Backend") == [
        "django.contrib.auth.backends.ModelBackend",
        "site.Backend",
    ]
    assert project.context_processors(["django.contrib.auth"], "site.processor") == [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "site.processor",
    ]


def test_password_validators():
    numeric = "django.contrib.auth.password_validation.NumericPasswordValidator"
    validators = project.auth_password_validators("site.Validator", without=[numeric])
    names = [validator["NAME"].rpartition(".")[2] for validator in validators]
    assert names == [
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "Validator",
    ]


def test_languages():
    assert project.languages("it", without=["ar", "es"]) == [
        ("de", "German"),
        ("en", "English"),
        ("fr", "French"),
        ("it", "Italian"),
    ]


class TestContentSecurityPolicy:
    def test_it_allows_what_our_pages_need(self):
        assert project.content_security_policy() == {"DIRECTIVES": dict(PAGE_POLICY)}

    def test_it_can_be_changed_without_changing_the_next_one(self):
        project.content_security_policy()["DIRECTIVES"]["img-src"].append("*")
        assert "*" not in project.content_security_policy()["DIRECTIVES"]["img-src"]

    @pytest.mark.parametrize(
        ("directive", "sources", "expected"),
        [
            ("img-src", ["https://a.example"], ["'self'", "data:", "https://a.example"]),
            ("img-src", "https://a.example", ["'self'", "data:", "https://a.example"]),
            ("script-src", ["https://a.example"], ["'self'", "https://a.example"]),
            ("frame-ancestors", ["https://a.example"], ["https://a.example"]),
            ("report-uri", ["/csp/"], ["/csp/"]),
        ],
    )
    def test_additions(self, directive, sources, expected):
        policy = project.content_security_policy({directive: sources})["DIRECTIVES"]
        assert policy == {**PAGE_POLICY, directive: expected}

    def test_a_directive_can_be_left_out(self):
        policy = project.content_security_policy(
            without=["form-action"], stripe_api_base="http://127.0.0.1:8001"
        )
        assert set(PAGE_POLICY) - set(policy["DIRECTIVES"]) == {"form-action"}

    def test_forms_lead_to_a_stand_in_for_stripe(self):
        policy = project.content_security_policy(stripe_api_base="http://127.0.0.1:8001/v1/")
        added = {*policy["DIRECTIVES"]["form-action"]} - {*PAGE_POLICY["form-action"]}
        assert added == {"http://127.0.0.1:8001"}


@pytest.mark.parametrize(
    ("apps", "debug", "storage"),
    [
        (EVERYTHING, True, "StaticFilesStorage"),
        (EVERYTHING, False, "CompressedManifestStaticFilesStorage"),
        ([], False, "ManifestStaticFilesStorage"),
    ],
)
def test_static_files_have_hashed_names_in_production(apps, debug, storage):
    backend = project.storages(apps, debug=debug)["staticfiles"]["BACKEND"]
    assert backend.rpartition(".")[2] == storage
    assert import_string(backend)


@pytest.mark.parametrize(("debug", "handlers"), [(True, []), (False, ["mail_admins"])])
def test_errors_are_sent_in_production(debug, handlers):
    assert project.logging(debug=debug)["loggers"]["django"]["handlers"] == handlers


def test_social_accounts_get_our_adapter():
    with_social = project.account_settings(["allauth.socialaccount"])
    assert {*with_social} - {*project.account_settings([])} == {"SOCIALACCOUNT_ADAPTER"}
    assert import_string(with_social["SOCIALACCOUNT_ADAPTER"])
