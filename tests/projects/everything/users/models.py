from __future__ import annotations

from quickscale_accounts.users import AbstractEmailUser


class User(AbstractEmailUser):
    pass
