"""``{% load quickscale_elements %}``: the elements that our pages are made of.

An element is a small template, such as a button. Only elements use the classes of a CSS framework::

    {% element "card" title=_("Balance") id="balance" %}
      <p>…</p>
      {% slot aside %}{% element "pill" tone="success" %}New{% endelement %}{% endslot %}
    {% endelement %}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms, template
from django.contrib.messages import constants, get_messages
from django.contrib.messages.storage.base import Message
from django.forms import BoundField
from django.forms.utils import flatatt
from django.http import HttpRequest
from django.template.base import (
    FilterExpression,
    Node,
    NodeList,
    Parser,
    Template,
    Token,
    token_kwargs,
)
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from quickscale.conf import app_settings
from quickscale.templatetags.quickscale import brand_styles

register = template.Library()

HTML_ATTRIBUTES = {
    *("action", "autofocus", "download", "enctype", "form", "href", "id", "method", "name"),
    *("rel", "role", "tabindex", "type", "value"),
}
HTML_PREFIXES = ("aria_", "data_", "hx_", "x_")

MESSAGE_TONES = (
    (constants.ERROR, "danger"),
    (constants.WARNING, "warning"),
    (constants.SUCCESS, "success"),
    (constants.INFO, "info"),
)

TONE_ICONS = {
    "danger": "circle-x",
    "info": "info",
    "success": "circle-check",
    "warning": "triangle-alert",
}

KINDS: list[tuple[tuple[type[forms.Widget], ...], str]] = [
    ((forms.Textarea,), "textarea"),
    ((forms.CheckboxInput,), "checkbox"),
    ((forms.RadioSelect, forms.CheckboxSelectMultiple), "choices"),
    ((forms.Select,), "select"),
    ((forms.widgets.Input,), "input"),
]


@register.tag
def element(parser: Parser, token: Token) -> ElementNode:
    """Render an element: ``{% element "name" argument=value … %} … {% endelement %}``.

    Its template gets the arguments in ``attrs``. ``html`` has those that are HTML attributes, ready
    to be written (``hx_get=url`` as ``hx-get="…"``). The content is in ``slots.default``, and that
    of each ``{% slot name %}`` in a variable of ``slots``.
    """
    tag, *bits = token.split_contents()
    name = bits.pop(0).strip("\"'") if bits else ""
    arguments = token_kwargs(bits, parser)
    if not name.isidentifier() or bits:
        raise template.TemplateSyntaxError(f'Write {{% {tag} "name" argument=value … %}}.')
    nodes = parser.parse((f"end{tag}",))
    parser.delete_first_token()
    return ElementNode(name, arguments, nodes)


@register.tag
def slot(parser: Parser, token: Token) -> SlotNode:
    """Directly inside an element, fill one of its slots: ``{% slot aside %}…{% endslot %}``.

    In an element's template, mark the position of the slot, with its default content.
    """
    _tag, *bits = token.split_contents()
    nodes = parser.parse(("endslot",))
    parser.delete_first_token()
    return SlotNode(bits[0] if bits else "default", nodes)


class SlotNode(Node):
    def __init__(self, name: str, nodelist: NodeList) -> None:
        self.name = name
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        found: SafeString | None = (context.get("slots") or {}).get(self.name)
        return found or self.nodelist.render(context)


class ElementNode(Node):
    def __init__(
        self, name: str, arguments: Mapping[str, FilterExpression], nodelist: NodeList
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.nodelist = nodelist
        self.slots = {node.name: node.nodelist for node in nodelist if isinstance(node, SlotNode)}
        default = NodeList(node for node in nodelist if not isinstance(node, SlotNode))
        self.slots.setdefault("default", default)

    def render(self, context: Context) -> SafeString:
        attrs = {name: value.resolve(context) for name, value in self.arguments.items()}
        slots = {
            name: mark_safe(nodes.render(context).strip())  # noqa: S308  rendered just now
            for name, nodes in self.slots.items()
        }
        with context.push(attrs=attrs, slots=slots, html=html_attributes(attrs)):
            return element_template(self.name, context).render(context)


def element_template(name: str, context: Context) -> Template:
    """Return an element's template: the site's own, else that of the look, else the plain one."""
    found: dict[str, Template] = _page_state(context).setdefault(ElementNode, {})
    if name not in found:
        folders = ("", f"{app_settings.elements}/", "plain/")
        names = [f"quickscale/elements/{folder}{name}.html" for folder in folders]
        found[name] = context.template.engine.select_template(names)  # type: ignore[union-attr]
    return found[name]


def _page_state(context: Context) -> dict[Any, Any]:
    """Return a state that lasts while a page, with all that it includes, is rendered."""
    state: Any = context.render_context.dicts[0]
    return state  # type: ignore[no-any-return]


def html_attributes(attrs: Mapping[str, Any]) -> SafeString:
    """Return the arguments that are HTML attributes, ready to be written into a tag."""
    return flatatt(
        {
            name.replace("_", "-"): _attribute_value(name, value)
            for name, value in attrs.items()
            if (name in HTML_ATTRIBUTES or name.startswith(HTML_PREFIXES))
            and value != ""
            and not isinstance(value, forms.BaseForm)
        }
    )


def _attribute_value(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower() if name.startswith("aria_") else value
    if value is None:
        return None
    # Text that is safe in a page, such as a translation, may contain quotes.
    return mark_safe(conditional_escape(value).replace('"', "&quot;"))  # noqa: S308  escaped here


@register.simple_tag(takes_context=True)
def quickscale_styles(context: Context) -> SafeString:
    """Output the style sheets and the script of the elements, and the brand's, once per page."""
    state = _page_state(context)
    if quickscale_styles in state:
        return SafeString()
    state[quickscale_styles] = True
    script = format_html(
        '<script src="{}" data-working="{}" defer></script>\n',
        static("quickscale/elements.js"),
        gettext("Working…"),
    )
    return element_template("styles", context).render(context) + brand_styles() + script


@register.simple_tag(takes_context=True)
def icon(context: Context, name: str) -> SafeString:
    """Output the SVG of ``quickscale/icons/<name>.svg``, which says nothing to a screen reader.

    A site adds an icon, or replaces one, by a template of its own.
    """
    engine = context.template.engine  # type: ignore[union-attr]
    return engine.get_template(f"quickscale/icons/{name}.svg").render(Context())


@register.simple_tag(takes_context=True)
def tone_icon(context: Context, tone: str) -> SafeString:
    """Output the icon of a tone, so that a tone is never told by colour alone."""
    return icon(context, TONE_ICONS[tone]) if tone in TONE_ICONS else SafeString()


@register.simple_tag(takes_context=True)
def unread_messages(context: Context) -> list[Message]:
    """Return the Django messages that the page has not shown yet, and mark them as shown."""
    request: HttpRequest | None = context.get("request")
    messages = get_messages(request) if request else None
    if not messages or getattr(messages, "used", False):
        return []
    unread = list(messages)
    context.set_upward("messages", "")
    return unread


@register.filter
def message_tone(message: Message) -> str:
    """Return the tone of a Django message, which depends only on its level."""
    return next((tone for level, tone in MESSAGE_TONES if message.level >= level), "")


@register.filter
def message_role(message: Message) -> str:
    """Return the ARIA role of a Django message: a screen reader interrupts only for problems."""
    return "alert" if message.level >= constants.WARNING else "status"


@register.filter
def widget_kind(field: BoundField) -> str:
    """Return what people see of a field: ``input``, ``textarea``, ``select``, ``checkbox`` or
    ``choices``, or an empty string for the site's own widgets."""
    widget = field.field.widget
    return next((kind for types, kind in KINDS if isinstance(widget, types)), "")


@register.simple_tag
def widget(field: BoundField, **attrs: str) -> SafeString:
    """Output a field's control with more attributes; a class is added to its classes.

    The first invalid field of a form gets the focus.
    """
    own = field.field.widget.attrs.get("class", "")
    attrs["class"] = " ".join([*own.split(), *attrs.get("class", "").split()])
    given: dict[str, Any] = {name: value for name, value in attrs.items() if value}
    if field.errors and field.name == next(iter(field.form.errors)):
        given["autofocus"] = True
    control = field.as_widget(attrs=given)
    if field.field.show_hidden_initial:
        control += field.as_hidden(only_initial=True)
    return control


@register.simple_tag
def page_links(page: Any, url: str = "", query: str = "") -> dict[str, str]:
    """Return the URLs of the ``previous`` and ``next`` page of a list, or empty strings.

    ``page`` is Django's, or one whose ``previous`` and ``next`` are query strings.
    """
    if hasattr(page, "paginator"):
        previous = f"page={page.previous_page_number()}" if page.has_previous() else ""
        following = f"page={page.next_page_number()}" if page.has_next() else ""
    else:
        previous, following = page.previous, page.next
    start = f"{url}?{query}&" if query else f"{url}?"
    return {"previous": previous and start + previous, "next": following and start + following}
