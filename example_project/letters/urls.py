from __future__ import annotations

from django.urls import path

from letters import views

app_name = "letters"
urlpatterns = [
    path("", views.LetterListView.as_view(), name="list"),
    path("letters/new/", views.LetterCreateView.as_view(), name="create"),
    path("letters/<int:pk>/print/", views.print_letter, name="print"),
]
