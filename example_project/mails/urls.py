"""Addresses of mails."""

from django.urls import path

from mails.views import Mailbox

app_name = "mails"

urlpatterns = [path("", Mailbox.as_view(), name="mailbox")]
