from __future__ import annotations

from django.urls import path

from quickscale_stripe import billing_views, receipt_views, subscription_views, views

app_name = "quickscale_stripe"
urlpatterns = [
    path("buy-credits/", views.BuyCreditsView.as_view(), name="buy_credits"),
    path("buy-credits/checkout/", views.CheckoutView.as_view(), name="checkout"),
    path("buy-credits/done/", views.CheckoutDoneView.as_view(), name="checkout_done"),
    path(
        "buy-credits/cancelled/", views.CheckoutCancelledView.as_view(), name="checkout_cancelled"
    ),
    path("plans/", subscription_views.PlansView.as_view(), name="plans"),
    path("plans/subscribe/", subscription_views.SubscribeView.as_view(), name="subscribe"),
    path("subscription/", subscription_views.SubscriptionView.as_view(), name="subscription"),
    path("subscription/change/", subscription_views.ChangePlanView.as_view(), name="change_plan"),
    path("subscription/keep-plan/", subscription_views.KeepPlanView.as_view(), name="keep_plan"),
    path("subscription/cancel/", subscription_views.CancelView.as_view(), name="cancel"),
    path(
        "subscription/reactivate/", subscription_views.ReactivateView.as_view(), name="reactivate"
    ),
    path("billing/", billing_views.BillingView.as_view(), name="billing"),
    path("billing/portal/", billing_views.BillingPortalView.as_view(), name="billing_portal"),
    path("billing/add/", billing_views.AddPaymentMethodView.as_view(), name="add_payment_method"),
    path("payments/", views.PaymentListView.as_view(), name="payments"),
    path("payments/<int:pk>/", views.PaymentView.as_view(), name="payment"),
    path("payments/<int:pk>/receipt/", receipt_views.ReceiptView.as_view(), name="receipt"),
    path(
        "payments/<int:pk>/receipt.pdf", receipt_views.ReceiptPdfView.as_view(), name="receipt_pdf"
    ),
]
