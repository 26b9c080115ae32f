"""A stateful stand-in for the part of Stripe that ``quickscale_stripe`` uses.

It is for development, the demo and tests; a system check refuses it while ``DEBUG`` is off.
"""

from __future__ import annotations

from quickscale_stripe_sandbox.client import SandboxHTTPClient
from quickscale_stripe_sandbox.internal.engine import Sandbox
from quickscale_stripe_sandbox.internal.responses import SandboxResponse
from quickscale_stripe_sandbox.site import get_sandbox, http_client

__all__ = ["Sandbox", "SandboxHTTPClient", "SandboxResponse", "get_sandbox", "http_client"]
