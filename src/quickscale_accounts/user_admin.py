"""The admin of a project's own user model, for ``admin.site.register(User, EmailUserAdmin)``."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.utils.translation import gettext_lazy as _


class EmailUserCreationForm(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = get_user_model()
        fields = ("email",)


class EmailUserChangeForm(UserChangeForm):  # type: ignore[type-arg]
    class Meta:
        model = get_user_model()
        fields = "__all__"


class EmailUserAdmin(UserAdmin):  # type: ignore[type-arg]
    """Django's user admin for a subclass of ``AbstractEmailUser``."""

    add_form = EmailUserCreationForm
    form = EmailUserChangeForm
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (
            _("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "usable_password", "password1", "password2"),
            },
        ),
    )
    list_display = ("email", "is_staff", "is_active", "date_joined")
    search_fields = ("email",)
    ordering = ("email",)
