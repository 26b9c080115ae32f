"""Make HTML, with a policy that lets a page load nothing but its own style sheet and images."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.template import Context, Engine
from django.utils import translation

from quickscale.internal.brand import brand_name
from quickscale_stripe_sandbox.internal.responses import Request, SandboxResponse

_ROOT = Path(__file__).parents[1]


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(_ROOT / "templates")], autoescape=True)


def page(
    request: Request, template: str, status: int = 200, *, leads_to: str = "", **context: Any
) -> SandboxResponse:
    """Render a template.

    Args:
        leads_to: an address that a form of the page may redirect to.
    """
    with translation.override("en"):
        text = (
            _engine()
            .get_template(f"quickscale_stripe_sandbox/{template}.html")
            .render(Context({"base": request.base, "brand": brand_name()} | context))
        )
    targets = " ".join(["'self'", *([_origin(leads_to)] if leads_to else [])])
    return SandboxResponse(
        status,
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self';"
            f" form-action {targets}; base-uri 'none'; frame-ancestors 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
        text.encode(),
    )


def asset(name: str) -> SandboxResponse:
    kind = "text/css" if name.endswith(".css") else "image/svg+xml"
    return SandboxResponse(
        200,
        {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "max-age=60"},
        (_ROOT / "assets" / name).read_bytes(),
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
