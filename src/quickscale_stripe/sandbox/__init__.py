"""A stateful stand-in for the part of Stripe that ``quickscale_stripe`` uses.

For development, the demo and tests; a system check refuses it when ``DEBUG`` is off.
"""

from __future__ import annotations

from quickscale_stripe.sandbox.answers import SandboxResponse
from quickscale_stripe.sandbox.client import SandboxHTTPClient
from quickscale_stripe.sandbox.engine import Sandbox
from quickscale_stripe.sandbox.site import get_sandbox

__all__ = ["Sandbox", "SandboxHTTPClient", "SandboxResponse", "get_sandbox"]
