"""Seam: services that people pay for with credits, loaded by quickscale_credits."""

from __future__ import annotations

from django import forms

from quickscale_credits.services import BaseService, register_service

WORDS_PER_PAGE = 250


class ManuscriptForm(forms.Form):
    manuscript = forms.CharField(widget=forms.Textarea)


@register_service
class Estimate(BaseService):
    code = "estimate"
    name = "Estimate the pages"
    description = "How many printed pages a manuscript fills. Free."
    action_label = "Estimate"
    form_class = ManuscriptForm

    def run(self, *, manuscript: str) -> dict[str, int]:
        words = len(manuscript.split())
        return {"Words": words, "Pages": -(-words // WORDS_PER_PAGE)}


@register_service
class PrintLetter(BaseService):
    """Has its own page, see ``letters.views.print_letter``."""

    code = "print-letter"
    name = "Print a letter"
    description = "Set, printed and sent by post."
    cost = "2.5"
