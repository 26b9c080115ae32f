from __future__ import annotations

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse
from django.views import View
from rest_framework import permissions
from rest_framework.authentication import BasicAuthentication
from rest_framework.response import Response
from rest_framework.views import APIView

from quickscale_credits.metering import metered


@metered("report")
class ReportView(LoginRequiredMixin, View):
    def get(self, request):
        return HttpResponse("report")


class ReportApi(APIView):
    authentication_classes = [BasicAuthentication]
    permission_classes = [permissions.IsAuthenticated]

    @metered("report", units=lambda request: request.data["pages"])
    def post(self, request):
        return Response({"pages": request.data["pages"]}, status=201)
