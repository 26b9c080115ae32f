from __future__ import annotations

import re

from django.core.mail import EmailMessage


def link_in(message: EmailMessage) -> str:
    """Return the path of the account page that a mail links to."""
    found = re.search(r"http://testserver(/accounts/\S+)", str(message.body))
    assert found
    return found[1]


def code_in(message: EmailMessage) -> str:
    """Return the code that a mail asks the reader to enter."""
    found = re.search(r"^\d{6}$", str(message.body), re.MULTILINE)
    assert found
    return found[0]
