"""Receipts as PDF, drawn with fpdf2 (extra ``pdf``).

The font covers Latin, Greek, Cyrillic, Armenian, Georgian and Hebrew; other scripts need
``QUICKSCALE_STRIPE_RECEIPT_FONTS``. Letters that change with their neighbours, as in Arabic and
Devanagari, are not joined.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from django.contrib.staticfiles import finders
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from quickscale.brand import Brand, get_brand
from quickscale.errors import MissingExtraError
from quickscale.formats import format_money
from quickscale_stripe.conf import app_settings
from quickscale_stripe.receipts.receipt import Line, Party, Receipt, local_date

if TYPE_CHECKING:
    from fpdf import FPDF

FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
_GREY = (90, 90, 90)
_BLACK = (0, 0, 0)
_LINE = 6
_LOGO = 14
_BAR = 2


def is_available() -> bool:
    """Return whether the extra ``pdf`` is installed."""
    return find_spec("fpdf") is not None


def draw(receipt: Receipt) -> bytes:
    """Draw the receipt as an A4 document in the active language.

    Raises:
        MissingExtraError: the extra ``pdf`` isn't installed.
    """
    pdf = _document(receipt)
    _brand(pdf, get_brand())
    _text(pdf, receipt.seller.name, size=16)
    _party(pdf, receipt.seller)
    pdf.ln(_LINE)
    _text(pdf, _title(receipt), size=20)
    if receipt.payment.paid_at:
        _text(
            pdf, _("Paid on %(date)s") % {"date": local_date(receipt.payment.paid_at)}, colour=_GREY
        )
    pdf.ln(_LINE)
    _text(pdf, _("Paid by"), size=9, colour=_GREY)
    _text(pdf, receipt.buyer.name)
    _party(pdf, receipt.buyer)
    pdf.ln(_LINE)
    _lines(pdf, receipt)
    return bytes(pdf.output())


def _document(receipt: Receipt) -> FPDF:
    try:
        from fpdf import FPDF, ViewerPreferences
    except ImportError as error:
        raise MissingExtraError("A receipt as a PDF", "pdf") from error
    pdf = FPDF(format="A4")
    pdf.set_title(f"{_title(receipt)}, {receipt.seller.name}")
    pdf.set_author(receipt.seller.name)
    pdf.set_lang(get_language() or "en")
    pdf.set_creation_date(receipt.payment.paid_at or receipt.payment.created_at)
    pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)
    pdf.set_margin(20)
    pdf.add_font("receipt", fname=FONT)
    more = {f"receipt{number}": path for number, path in enumerate(app_settings.receipt_fonts)}
    for name, path in more.items():
        pdf.add_font(name, fname=path)
    pdf.set_fallback_fonts(list(more))
    pdf.set_font("receipt", size=10)
    pdf.add_page()
    return pdf


def _brand(pdf: FPDF, brand: Brand) -> None:
    """Draw a line of the brand's colour, and its logo if the file is here."""
    pdf.set_fill_color(*bytes.fromhex(brand.color[1:]))
    pdf.rect(0, 0, pdf.w, _BAR, style="F")
    found = brand.bitmap and finders.find(brand.bitmap)
    if found:
        pdf.image(found, h=_LOGO)
        pdf.ln(_LINE / 2)


def _party(pdf: FPDF, party: Party) -> None:
    for line in (*party.address, *party.tax_ids, party.email):
        _text(pdf, line)


def _lines(pdf: FPDF, receipt: Receipt) -> None:
    """Draw what was paid for, then the sums; the heading is repeated on each page."""
    from fpdf.enums import TableBordersLayout
    from fpdf.fonts import FontFace

    with pdf.table(
        col_widths=(70, 30),
        text_align=("LEFT", "RIGHT"),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(color=_GREY),
        line_height=_LINE,
        padding=1,
        v_align="TOP",
    ) as table:
        table.row((_("Description"), _("Amount")))
        for line in receipt.lines:
            table.row((_described(line), _money(line.amount, receipt)))
        for sum_ in receipt.sums:
            style = FontFace(size_pt=12) if sum_.is_total else None
            table.row((sum_.label, _money(sum_.amount, receipt)), style=style)


def _described(line: Line) -> str:
    title = line.title or _("Other items")
    parts = [f"{title} ({line.credits})" if line.credits else title]
    if line.period:
        parts.append(" – ".join(local_date(moment) for moment in line.period))
    return "\n".join(parts)


def _title(receipt: Receipt) -> str:
    return _("Receipt %(number)s") % {"number": receipt.payment.receipt_number}


def _money(amount: int, receipt: Receipt) -> str:
    return format_money(amount, receipt.payment.currency)


def _text(pdf: FPDF, text: str, *, size: int = 10, colour: tuple[int, int, int] = _BLACK) -> None:
    """Draw a paragraph; a long text is wrapped, an empty one takes no space."""
    if not text.strip():
        return
    pdf.set_font_size(size)
    pdf.set_text_color(colour)
    height = _LINE * max(size, 10) / 10
    pdf.multi_cell(0, height, " ".join(text.split()), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font_size(10)
    pdf.set_text_color(_BLACK)
