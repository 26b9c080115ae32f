from __future__ import annotations

from django.urls import path

from quickscale_stripe.pages import billing, checkout, payments, receipts, subscriptions

app_name = "quickscale_stripe"
urlpatterns = [
    path("buy-credits/", checkout.BuyCreditsView.as_view(), name="buy_credits"),
    path("buy-credits/checkout/", checkout.CheckoutView.as_view(), name="checkout"),
    path("buy-credits/done/", checkout.CheckoutDoneView.as_view(), name="checkout_done"),
    path(
        "buy-credits/cancelled/",
        checkout.CheckoutCancelledView.as_view(),
        name="checkout_cancelled",
    ),
    path("plans/", subscriptions.PlansView.as_view(), name="plans"),
    path("plans/subscribe/", subscriptions.SubscribeView.as_view(), name="subscribe"),
    path("subscription/", billing.SubscriptionView.as_view(), name="subscription"),
    path("subscription/change/", subscriptions.ChangePlanView.as_view(), name="change_plan"),
    path(
        "subscription/change/amount/",
        subscriptions.UpgradeAmountView.as_view(),
        name="upgrade_amount",
    ),
    path("subscription/keep-plan/", subscriptions.KeepPlanView.as_view(), name="keep_plan"),
    path("subscription/cancel/", subscriptions.CancelView.as_view(), name="cancel"),
    path("subscription/reactivate/", subscriptions.ReactivateView.as_view(), name="reactivate"),
    path("billing/", billing.BillingView.as_view(), name="billing"),
    path("billing/payment-method/", billing.PaymentMethodView.as_view(), name="payment_method"),
    path("billing/portal/", billing.BillingPortalView.as_view(), name="billing_portal"),
    path("billing/add/", billing.AddPaymentMethodView.as_view(), name="add_payment_method"),
    path("payments/", payments.PaymentListView.as_view(), name="payments"),
    path("payments/<int:pk>/", payments.PaymentView.as_view(), name="payment"),
    path("payments/<int:pk>/receipt/", receipts.ReceiptView.as_view(), name="receipt"),
    path("payments/<int:pk>/receipt.pdf", receipts.ReceiptPdfView.as_view(), name="receipt_pdf"),
]
