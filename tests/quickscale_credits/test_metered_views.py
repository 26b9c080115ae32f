"""``@metered`` on the views that sites have: classes, methods, REST framework, Ninja."""

from __future__ import annotations

import asyncio
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.test import AsyncClient
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.generic import TemplateView
from ninja import NinjaAPI, Status
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from quickscale_credits import ledger
from quickscale_credits.metering import metered
from quickscale_credits.models import CreditAccount, CreditHold, Service, ServiceUsage
from tests.owners import make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(account, services):
    account.add_credits(10, "Bought")
    return account


def answer(request):
    return HttpResponse("done", status=int(request.GET.get("status", 200)))


class OnTheMethod(View):
    @metered("shout", units=lambda pk: pk)
    def get(self, request, pk):
        return answer(request)


@method_decorator(metered("shout", units=2), name="dispatch")
class OnDispatch(View):
    def get(self, request, pk):
        return answer(request)


@method_decorator(metered("shout", units=lambda pk: pk), name="get")
class OnGet(View):
    def get(self, request, pk):
        return answer(request)


@metered("shout", units=lambda pk: pk)
class OnTheClass(View):
    def get(self, request, pk):
        return answer(request)


@metered("shout", units=lambda pk: pk)
class OnAnAsyncClass(View):
    async def get(self, request, pk):
        await asyncio.sleep(0)
        return answer(request)


class Page:
    """A page as Wagtail serves it."""

    @metered("shout", units=2)
    def serve(self, request):
        return answer(request)


@metered("shout")
class ForNobody(UserPassesTestMixin, View):
    raise_exception = False
    login_url = "/elsewhere/"

    def test_func(self):
        return False

    def get(self, request):
        pytest.fail("the work must not run")


@metered("shout")
class Rendered(TemplateView):
    template_name = "quickscale_credits/_output.html"


@metered("shout")
def broken(request):
    return TemplateResponse(request, "does-not-exist.html")


@metered("shout", quantities=lambda request: {"units": 2}, dimension=lambda request: "large")
def by_meters(request):
    return answer(request)


@metered("shout")
def json(request):
    return JsonResponse({"done": True})


class Token(BaseAuthentication):
    """The member's token is their address."""

    def authenticate(self, request):
        from django.contrib.auth import get_user_model

        email = request.headers.get("Authorization", "").removeprefix("Token ")
        user = get_user_model().objects.filter(email=email).first()
        return (user, None) if user else None

    def authenticate_header(self, request):
        return "Token"


class RestView(APIView):
    authentication_classes = [Token]
    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]

    @metered("shout", units=2)
    def post(self, request):
        return Response({"done": True}, status=int(request.GET.get("status", 201)))


@metered("shout", units=2)
class RestClass(RestView):
    def post(self, request):
        return Response({"done": True}, status=int(request.GET.get("status", 201)))


class Unrenderable(RestView):
    @metered("shout", units=2)
    def post(self, request):
        return Response({"done": object()})


@metered("shout", units=2)
class RestSet(ViewSet):
    authentication_classes = [Token]
    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]

    def create(self, request):
        return Response({"done": True}, status=int(request.GET.get("status", 201)))


@api_view(["POST"])
@authentication_classes([Token])
@permission_classes([AllowAny])
@metered("shout", units=2)
def rest_function(request):
    return Response({"done": True}, status=int(request.GET.get("status", 201)))


ninja = NinjaAPI(urls_namespace="metered")


def token(request):
    from django.contrib.auth import get_user_model

    email = request.headers.get("Authorization", "").removeprefix("Token ")
    request.user = get_user_model().objects.filter(email=email).first() or request.user
    return request.user.is_authenticated


@ninja.post("/done", auth=token, response={201: dict, 400: dict})
@metered("shout", units=2)
def ninja_operation(request, status: int = 201):
    return Status(status, {"done": True})


@ninja.post("/later", auth=token, response={201: dict, 400: dict})
@metered("shout", units=2)
async def ninja_async_operation(request, status: int = 201):
    return Status(status, {"done": True})


urlpatterns = [
    path("method/<int:pk>/", OnTheMethod.as_view()),
    path("dispatch/<int:pk>/", OnDispatch.as_view()),
    path("get/<int:pk>/", OnGet.as_view()),
    path("class/<int:pk>/", OnTheClass.as_view()),
    path("async-class/<int:pk>/", OnAnAsyncClass.as_view()),
    path("page/2/", Page().serve),
    path("nobody/", ForNobody.as_view()),
    path("rendered/", Rendered.as_view(extra_context={"result": "DONE"})),
    path("broken/", broken),
    path("meters/", by_meters),
    path("json/", json),
    path("rest/view/", RestView.as_view()),
    path("rest/class/", RestClass.as_view()),
    path("rest/set/", RestSet.as_view({"post": "create"})),
    path("rest/function/", rest_function),
    path("rest/unrenderable/", Unrenderable.as_view()),
    path("ninja/", ninja.urls),
]

CLASSES = ["/method/2/", "/dispatch/2/", "/get/2/", "/class/2/", "/async-class/2/", "/page/2/"]
REST = ["/rest/view/", "/rest/class/", "/rest/set/", "/rest/function/"]
APIS = [*REST, "/ninja/done", "/ninja/later"]


@pytest.fixture(autouse=True)
def metered_views(settings):
    site = import_module(settings.ROOT_URLCONF).urlpatterns
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [*site, *urlpatterns]})


class TestClassesAndMethods:
    @pytest.mark.parametrize("url", CLASSES)
    def test_the_owner_of_the_request_pays(self, browser, account, url):
        response = browser.get(url)

        assert response.content == b"done"
        assert account.get_balance() == 6
        assert ServiceUsage.objects.get().units == 2

    @pytest.mark.parametrize("url", CLASSES)
    def test_failed_work_costs_nothing(self, browser, account, url):
        assert browser.get(f"{url}?status=422").status_code == 422
        assert account.get_available_balance() == 10

    @pytest.mark.parametrize("url", CLASSES)
    def test_too_few_credits_are_a_page(self, browser, account, url):
        account.remove_credits(8, "Gone")

        response = browser.get(url)

        assert response.status_code == 402
        assert b"<html" in response.content

    @pytest.mark.parametrize("url", CLASSES)
    def test_a_visitor_is_sent_to_the_login(self, client, url):
        assert client.get(url).status_code == 302

    @pytest.mark.parametrize("url", ["/class/2/", "/async-class/2/"])
    def test_what_may_be_asked_is_free(self, browser, account, url):
        assert browser.options(url).status_code == 200
        assert account.get_balance() == 10

    @pytest.mark.parametrize("url", ["/class/2/", "/async-class/2/"])
    def test_a_method_that_a_class_lacks_is_refused_by_the_class(self, browser, account, url):
        assert browser.post(url).status_code == 405
        assert browser.generic("HTTP_METHOD_NAMES", url).status_code == 405
        assert account.get_balance() == 10

    def test_a_class_runs_its_own_checks_first(self, browser, account):
        assert browser.get("/nobody/").status_code == 403
        assert not CreditHold.objects.exists()

    def test_under_asgi(self, member, account):
        async def call():
            client = AsyncClient()
            await client.aforce_login(member)
            return [await client.get(url) for url in ("/class/1/", "/async-class/1/")]

        assert [response.status_code for response in async_to_sync(call)()] == [200, 200]
        assert account.get_balance() == 6

    def test_a_class_gets_what_its_url_captures_without_a_name(self, rf, member, account):
        request = rf.get("/")
        request.user = member

        assert OnTheClass.as_view()(request, 2).content == b"done"
        assert account.get_balance() == 6

    @pytest.mark.parametrize("is_async", [False, True])
    def test_a_view_that_fails_costs_nothing(self, rf, member, account, is_async):
        @metered("shout")
        def view(request):
            raise ZeroDivisionError

        @metered("shout")
        async def async_view(request):
            raise ZeroDivisionError

        request = rf.get("/")
        request.user = member

        with pytest.raises(ZeroDivisionError):
            (async_to_sync(async_view) if is_async else view)(request)
        assert account.get_available_balance() == 10

    def test_a_class_that_is_not_a_view_is_refused_at_once(self):
        with pytest.raises(TypeError, match="is not a view"):
            metered("shout")(Page)


class TestRenderedLater:
    def test_is_paid_once_it_is_rendered(self, browser, account):
        response = browser.get("/rendered/")

        assert b"DONE" in response.content
        assert response["HX-Trigger"] == "balance-changed"
        assert account.get_balance() == 8

    @pytest.mark.parametrize("url", ["/broken/", "/rest/unrenderable/"])
    def test_what_cannot_be_rendered_costs_nothing(self, browser, member, account, url):
        browser.raise_request_exception = False
        headers = {"Authorization": f"Token {member.email}"}
        ask = browser.post if "rest" in url else browser.get

        assert ask(url, headers=headers).status_code == 500
        assert account.get_available_balance() == 10
        assert CreditHold.objects.get().status == "released"

    def test_a_response_can_be_cached(self, rf, member, account):
        import pickle

        request = rf.get("/rendered/")
        request.user = member
        response = Rendered.as_view()(request).render()

        assert pickle.loads(pickle.dumps(response)).content == response.content


@pytest.mark.parametrize("url", APIS)
class TestApis:
    @pytest.fixture
    def ask(self, client, member, url):
        def ask(query="", **headers):
            headers = {"Authorization": f"Token {member.email}", "Accept": "*/*", **headers}
            return client.post(f"{url}{query}", headers=headers)

        return ask

    def test_the_authenticated_user_pays(self, ask, account):
        response = ask()

        assert (response.status_code, response.json()) == (201, {"done": True})
        assert account.get_balance() == 6
        assert "HX-Trigger" not in response

    def test_failed_work_costs_nothing(self, ask, account):
        assert ask("?status=400").status_code == 400
        assert account.get_available_balance() == 10

    def test_too_few_credits_are_a_problem(self, ask, account, settings):
        settings.QUICKSCALE_CREDITS_BUY_URL = "/shop/"
        account.remove_credits("9.5", "Gone")

        response = ask()

        assert response.status_code == 402
        assert response["Content-Type"] == "application/problem+json"
        assert response.json() == {
            "title": "Payment Required",
            "status": 402,
            "code": "insufficient_credits",
            "detail": "4.0000 credits are needed and 0.5000 are available: 3.5000 are missing.",
            "required": "4.0000",
            "available": "0.5000",
            "shortfall": "3.5000",
            "buy_url": "http://testserver/shop/",
        }

    def test_an_unauthenticated_client_gets_no_page(self, ask, account):
        response = ask(Authorization="")

        assert response.status_code in (401, 403)
        assert "json" in response["Content-Type"]
        assert account.get_balance() == 10


@pytest.mark.parametrize(("answer", "left"), [((400, {}), 10), ((201, {}), 8), ({"done": 1}, 8)])
def test_results_of_ninja_with_and_without_a_status(rf, member, account, answer, left):
    @metered("shout")
    def operation(request):
        return answer

    request = rf.post("/")
    request.user = member

    assert operation(request) == answer
    assert account.get_available_balance() == left


class TestProblems:
    """Programs ask for problem details with the header ``Accept``."""

    @pytest.mark.parametrize(
        ("accept", "is_problem"),
        [
            ("application/json", True),
            ("application/problem+json", True),
            ("*/*", True),
            ("application/json, text/html;q=0.5", True),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
            ("text/html;q=0.9, application/json;q=0.1", False),
        ],
    )
    def test_which_clients_get_one(self, browser, account, accept, is_problem):
        account.remove_credits(10, "Gone")

        response = browser.get("/class/2/", headers={"Accept": accept})

        assert response.status_code == 402
        assert (response["Content-Type"] == "application/problem+json") is is_problem
        assert {"Accept", "HX-Request"} <= set(response["Vary"].replace(" ", "").split(","))

    def test_htmx_gets_its_fragment(self, browser, account):
        account.remove_credits(10, "Gone")

        response = browser.get("/class/2/", headers={"Accept": "*/*", "HX-Request": "true"})

        assert response["Content-Type"].startswith("text/html")

    def test_a_visitor(self, client):
        response = client.get("/class/2/", headers={"Accept": "application/json"})

        assert response.status_code == 401
        assert response.json() == {
            "title": "Unauthorized",
            "status": 401,
            "code": "not_authenticated",
            "detail": "Sign in, or send credentials.",
        }

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            (lambda account: ledger.freeze(account=account), 403, "account_frozen"),
            (lambda account: ledger.close(account=account), 403, "account_closed"),
            (lambda account: Service.objects.update(is_active=False), 404, "service_inactive"),
        ],
    )
    def test_what_is_refused(self, browser, account, change, status, code):
        change(account)

        response = browser.get("/class/2/", headers={"Accept": "application/json"})

        assert (response.status_code, response.json()["code"]) == (status, code)

    def test_a_site_may_answer_in_its_own_way(self, browser, account, settings):
        settings.QUICKSCALE_CREDITS_REFUSED_RESPONSE = f"{__name__}.own_answer"
        account.remove_credits(10, "Gone")

        response = browser.get("/class/2/")

        assert (response.status_code, response.content) == (418, b"4.0000 needed")

    def test_a_site_without_templates_gets_the_words(self, browser, account, settings):
        settings.TEMPLATES = [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"context_processors": [], "loaders": []},
            }
        ]
        account.remove_credits(10, "Gone")

        response = browser.get("/class/2/")

        assert (response.status_code, response["Content-Type"]) == (402, "text/plain")
        assert b"4.0000 are missing" in response.content


def own_answer(request, error):
    return HttpResponse(f"{error.required} needed", status=418)


class TestWhoPays:
    def test_meters_and_dimension_may_be_computed(self, browser, account):
        browser.get("/meters/")

        usage = ServiceUsage.objects.get()
        assert (usage.cost, usage.dimension) == (4, "large")

    def test_answers_for_programs_ask_no_page_to_refresh(self, browser, account):
        assert "HX-Trigger" not in browser.get("/json/")

    def test_the_user_who_acts_for_another_is_recorded(self, browser, account, member, owner):
        browser.get("/class/1/")

        actor = ServiceUsage.objects.get().transaction.actor
        assert actor == (None if member == owner else member)

    def test_the_user_who_acts_for_a_computed_payer_is_recorded(
        self, rf, member, services, make_owner
    ):
        payer = make_owner("payer@example.com")
        CreditAccount.objects.for_owner(payer).add_credits(10, "Bought")

        @metered("shout", owner=lambda request: payer)
        def work(request):
            return answer(request)

        request = rf.get("/")
        request.user = member
        work(request)

        usage = ServiceUsage.objects.get()
        assert (usage.account.owner, usage.transaction.actor) == (payer, member)

    def test_a_request_may_be_any_argument(self, rf, member, account):
        @metered("shout")
        def work(text, style, request):
            return text

        request = rf.get("/")
        request.user = member

        assert work("hey", "loud", request) == "hey"
        assert account.get_balance() == 8

    def test_a_value_that_is_not_an_owner_is_refused_by_name(self, account):
        @metered("shout")
        def work(text):
            pytest.fail("the work must not run")

        with pytest.raises(ValueError, match="'a text' is not an instance of"):
            work("a text")

    def test_a_user_is_not_a_team(self, account, owner):
        user = make_user("someone@example.com")
        if isinstance(owner, type(user)):
            pytest.skip("users own credits here")

        @metered("shout")
        def work(owner):
            pytest.fail("the work must not run")

        with pytest.raises(ValueError, match="is not an instance of Team"):
            work(user)
