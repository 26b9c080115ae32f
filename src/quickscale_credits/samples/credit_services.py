from __future__ import annotations

from quickscale_credits.samples.text import Summarise, WordCount
from quickscale_credits.services import register_service

register_service(Summarise)
register_service(WordCount)
