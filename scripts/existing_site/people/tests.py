from __future__ import annotations

from django.contrib.auth import get_user_model
from django.test import TestCase


class PeopleTest(TestCase):
    def test_the_admin_deletes_a_user(self):
        make = get_user_model().objects.create_user
        user = make("ada", "ada@example.com", "secret")
        self.client.force_login(make("staff", is_staff=True, is_superuser=True))
        url = f"/admin/people/user/{user.pk}/delete/"
        assert self.client.post(url, {"post": "yes"}).status_code == 302
        assert not get_user_model().objects.filter(pk=user.pk).exists()
