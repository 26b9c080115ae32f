from __future__ import annotations

import re

from django.core.mail import EmailMessage


def link_in(message: EmailMessage) -> str:
    """Return the path of the account page that a mail links to."""
    found = re.search(r"http://testserver(/accounts/\S+)", str(message.body))
    assert found
    return found[1]
