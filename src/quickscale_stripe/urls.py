from __future__ import annotations

from django.urls import path

from quickscale_stripe import views

app_name = "quickscale_stripe"
urlpatterns = [
    path("buy-credits/", views.BuyCreditsView.as_view(), name="buy_credits"),
    path("buy-credits/checkout/", views.CheckoutView.as_view(), name="checkout"),
    path("buy-credits/done/", views.CheckoutDoneView.as_view(), name="checkout_done"),
    path(
        "buy-credits/cancelled/", views.CheckoutCancelledView.as_view(), name="checkout_cancelled"
    ),
    path("payments/", views.PaymentListView.as_view(), name="payments"),
    path("payments/<int:pk>/", views.PaymentView.as_view(), name="payment"),
    path("payments/<int:pk>/receipt/", views.ReceiptView.as_view(), name="receipt"),
]
