from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import path

from quickscale_accounts.testing import UserFactory
from quickscale_accounts.user_admin import EmailUserAdmin
from tests.projects.everything.users.models import User

pytestmark = pytest.mark.django_db

site = admin.AdminSite()
site.register(User, EmailUserAdmin)


class Urls:
    urlpatterns = [path("admin/", site.urls)]


@pytest.fixture
def staff(client, settings):
    settings.ROOT_URLCONF = Urls
    client.force_login(UserFactory(email="admin@example.com", is_staff=True, is_superuser=True))
    return client


def test_add(staff):
    assert staff.get("/admin/users/user/add/").status_code == 200
    data = {
        "email": "Ann@example.com",
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    response = staff.post("/admin/users/user/add/", data)
    user = User.objects.get(email="ann@example.com")
    assert response.url == f"/admin/users/user/{user.pk}/change/"
    assert user.check_password("correct horse battery")


def test_add_without_a_password(staff):
    data = {"email": "ann@example.com", "usable_password": "false"}
    staff.post("/admin/users/user/add/", data)
    assert not User.objects.get(email="ann@example.com").has_usable_password()


def test_add_refuses_an_address_that_exists(staff):
    UserFactory(email="ann@example.com")
    data = {
        "email": "ANN@example.com",
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    response = staff.post("/admin/users/user/add/", data)
    assert response.context["adminform"].form.errors == {
        "email": ["A user with this email address already exists."]
    }


def test_change(staff):
    user = UserFactory()
    url = f"/admin/users/user/{user.pk}/change/"
    form = staff.get(url).context["adminform"].form
    assert "username" not in form.fields

    joined = user.date_joined
    data = {
        "email": "New@example.com",
        "is_staff": "on",
        "is_active": "on",
        "date_joined_0": joined.date().isoformat(),
        "date_joined_1": joined.time().isoformat("seconds"),
    }
    assert staff.post(url, data).url == "/admin/users/user/"
    user.refresh_from_db()
    assert user.email == "new@example.com"
    assert user.is_staff
    assert user.check_password("password")


def test_list_and_search(staff, django_assert_max_num_queries):
    UserFactory.create_batch(3)
    UserFactory(email="ann@example.com")
    with django_assert_max_num_queries(6):
        response = staff.get("/admin/users/user/", {"q": "ann@"})
    assert [user.email for user in response.context["cl"].result_list] == ["ann@example.com"]


def test_change_of_a_password(staff):
    user = UserFactory()
    data = {
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    staff.post(f"/admin/users/user/{user.pk}/password/", data)
    user.refresh_from_db()
    assert user.check_password("correct horse battery")
