from __future__ import annotations

import re
from collections import Counter
from math import ceil

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from quickscale.formats import format_number
from quickscale_credits.services import BaseService, ServiceError

WORD = re.compile(r"[\w'\u2019-]+")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
SUMMARY_SENTENCES = 3
WORDS_PER_UNIT = 100


class TextForm(forms.Form):
    text = forms.CharField(
        label=_("Text"),
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 8}),
    )


class Summarise(BaseService):
    """Keep the sentences whose words occur most often in the text."""

    is_sample = True
    code = "summarise"
    name = _("Summarise a text")
    description = _("Picks the most important sentences.")
    cost = 2
    unit = _("100 words")
    action_label = _("Summarise")
    form_class = TextForm

    def units(self, *, text: str) -> int:
        return max(1, ceil(_words(text) / WORDS_PER_UNIT))

    def counted(self, *, text: str) -> str:
        number = _words(text)
        words = ngettext("%(number)s word", "%(number)s words", number)
        return words % {"number": format_number(number)}

    def run(self, *, text: str) -> str:
        sentences = SENTENCE_END.split(text.strip())
        if len(sentences) <= SUMMARY_SENTENCES:
            raise ServiceError(
                _("Give at least %(count)d sentences.") % {"count": SUMMARY_SENTENCES + 1}
            )
        frequency = Counter(word.lower() for word in WORD.findall(text) if len(word) > 3)

        def weight(sentence: str) -> float:
            words = WORD.findall(sentence)
            return sum(frequency[word.lower()] for word in words) / max(len(words), 1)

        best = sorted(sentences, key=weight, reverse=True)[:SUMMARY_SENTENCES]
        return " ".join(sentence for sentence in sentences if sentence in best)


class WordCount(BaseService):
    is_sample = True
    code = "word-count"
    name = _("Count words")
    description = _("Counts words, sentences and characters.")
    action_label = _("Count")
    form_class = TextForm

    def run(self, *, text: str) -> dict[str, int]:
        return {
            str(_("Words")): _words(text),
            str(_("Sentences")): len(SENTENCE_END.split(text.strip())),
            str(_("Characters")): len(text),
        }


def _words(text: str) -> int:
    return len(WORD.findall(text))
