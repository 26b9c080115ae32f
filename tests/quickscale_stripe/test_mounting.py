"""The pages on a site that mounts them below a URL with its own parameters."""

from __future__ import annotations

import re
import uuid
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.template import Template, TemplateSyntaxError
from django.test import RequestFactory
from django.urls import NoReverseMatch, resolve

from quickscale.links import has_page, page_url
from quickscale_credits.services import create_missing_rows, register_temporarily
from quickscale_dashboard.checks import check_navigation
from quickscale_stripe.models import Payment
from tests.quickscale_credits.surface import Shout
from tests.quickscale_stripe.shopping import open_checkout

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.projects.mounted_urls")]

CODE = uuid.UUID(int=7)
HOME = f"/projects/apollo/{CODE}/"
OWN = re.compile(r"""(?:href|action|hx-get|hx-post)="([^"]*)\"""")


def links(response):
    """Return the addresses on this site to which a response leads by links, forms or a redirect."""
    if response.status_code == 302:
        return {response["Location"]}
    if not response["Content-Type"].startswith("text/html"):
        return set()
    found = [urlsplit(unescape(url)) for url in OWN.findall(response.text)]
    return {
        url.path
        for url in found
        if url.path.startswith("/") and not url.netloc and not url.path.startswith("/static/")
    }


def request_for(url):
    request = RequestFactory().get(url)
    request.resolver_match = resolve(url)
    return request


def test_a_link_stays_within_the_project():
    request = request_for(f"{HOME}billing/payments/5/")
    assert page_url(request, "quickscale_stripe:payments") == f"{HOME}billing/payments/"
    receipt = page_url(request, "quickscale_stripe:receipt", pk=6)
    assert receipt == f"{HOME}billing/payments/6/receipt/"
    assert page_url(request, "quickscale_dashboard_public:about") == "/about/"


def test_a_page_of_the_sites_within_the_project_links_there_too():
    request = request_for(f"{HOME}members/")
    assert page_url(request, "quickscale_credits:balance") == f"{HOME}credits/"
    assert page_url(request, "members") == f"{HOME}members/"


def test_where_pages_are_mounted_twice_the_project_s_are_linked():
    request = request_for(f"{HOME}credits/")
    assert page_url(request, "quickscale_credits_services:list") == f"{HOME}services/"
    assert page_url(request_for("/own/services/"), "quickscale_credits_services:list") == (
        "/own/services/"
    )


def test_a_parameter_may_have_the_name_of_a_templates_variable(shop, buyer, owner, package):
    assert "qs-stat" in buyer.get("/acme/credits/").text
    session = open_checkout(owner, package)
    shop.pay(session)
    done = buyer.get(f"/acme/checkout/buy-credits/done/?session_id={session}")
    assert done.context["state"] == "paid"


def test_the_contact_form_below_a_parameter_leads_back(client, mailoutbox):
    form = {"name": "Ada", "email": "ada@example.com", "message": "Hello", "company_url": ""}
    answer = client.post("/acme/contact/", form)
    assert answer["Location"] == "/acme/contact/"
    assert len(mailoutbox) == 1


def test_parameters_go_by_name():
    with pytest.raises(TemplateSyntaxError, match="by name"):
        Template('{% load quickscale %}{% page_url "quickscale_stripe:payment" 5 %}')


def test_a_link_from_elsewhere_names_no_project():
    with pytest.raises(NoReverseMatch):
        page_url(request_for("/about/"), "quickscale_stripe:payments")
    with pytest.raises(NoReverseMatch):
        page_url(None, "quickscale_stripe:payments")
    assert has_page("quickscale_stripe:payments")
    assert not has_page("quickscale_stripe:nothing")
    assert not has_page("nothing:payments")
    assert not has_page("nothing")
    assert check_navigation(None) == []


@pytest.fixture
def services(db):
    with register_temporarily(Shout):
        create_missing_rows()
        yield


def test_every_page_leads_to_pages_of_the_same_project(shop, buyer, owner, package, services):
    shop.pay(open_checkout(owner, package))
    shop.deliver()
    payment = Payment.objects.get()
    seen, waiting = set(), {HOME, f"{HOME}billing/payments/{payment.pk}/receipt/"}
    while waiting:
        url = waiting.pop()
        seen.add(url)
        response = buyer.get(url)
        assert response.status_code in {200, 302, 405}, url
        where = links(response)
        waiting |= {each for each in where if each.startswith(HOME)} - seen
        ours = {each for each in where if not each.startswith(("/accounts/", "/users/", "/admin/"))}
        strangers = {each for each in ours if not each.startswith(HOME)}
        assert strangers <= {"/", "/about/", "/contact/", "/pricing/"}, url
    names = {resolve(url.partition("?")[0]).view_name for url in seen}
    assert {
        "quickscale_dashboard:dashboard",
        "quickscale_credits:history",
        "quickscale_credits:transaction",
        "quickscale_credits_services:use",
        "quickscale_stripe:plans",
        "quickscale_stripe:payment",
        "quickscale_stripe:receipt",
        "quickscale_stripe:billing",
        "quickscale_stripe:payment_method",
    } <= names
