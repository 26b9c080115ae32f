from __future__ import annotations

from quickscale_credits.services import BaseService, register_service


@register_service
class Report(BaseService):
    code = "report"
    name = "Report"
    cost = 2
