"""The page of alerts, and an inbox for them."""

import json

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from alerts.forms import AlertForm, WebhookForm
from alerts.models import Alert, Inbox, Message, Webhook
from alerts.raising import raise_alert

keepers_only = staff_member_required(login_url="login")


@keepers_only
def index(request):
    """Show the newest alerts, what became of each, and what arrived in the inbox."""
    webhook = Webhook.objects.first()
    own_inbox = request.build_absolute_uri(reverse("alerts:inbox"))
    context = {
        "alert_form": AlertForm(),
        "webhook_form": WebhookForm(initial={"url": webhook.url if webhook else own_inbox}),
        "webhook": webhook,
        "alerts": Alert.objects.all()[:20],
        "inbox": Inbox.objects.first(),
        "arrived": Message.objects.all()[:20],
    }
    return render(request, "alerts/index.html", context)


@keepers_only
@require_POST
def save_webhook(request):
    """Let alerts be posted to an address, and to no other one."""
    form = WebhookForm(request.POST)
    if form.is_valid():
        Webhook.objects.exclude(url=form.cleaned_data["url"]).delete()
        Webhook.objects.get_or_create(url=form.cleaned_data["url"])
        messages.success(request, "Alerts are posted there from now on.")
    else:
        messages.error(request, form.errors["url"][0])
    return redirect("alerts:index")


@keepers_only
@require_POST
def raise_one(request):
    """Raise an alert."""
    form = AlertForm(request.POST)
    if form.is_valid():
        raise_alert(**form.cleaned_data)
        messages.success(request, "The alert is raised.")
    else:
        messages.error(request, "An alert needs a level and a text.")
    return redirect("alerts:index")


@keepers_only
@require_POST
def break_inbox(request):
    """Let the inbox fail, or work again."""
    inbox, _ = Inbox.objects.get_or_create(pk=1)
    inbox.is_broken = not inbox.is_broken
    inbox.save()
    return redirect("alerts:index")


@csrf_exempt
@require_POST
def receive(request):
    """Take an alert, as a chat would; only from this machine, as this is an example."""
    if request.META["REMOTE_ADDR"] not in ("127.0.0.1", "::1"):
        return HttpResponse(status=403)
    if Inbox.objects.filter(is_broken=True).exists():
        return HttpResponse("out of order", status=503)
    try:
        told = json.loads(request.body)
        Message.objects.create(text=f"{told['level']}: {told['text']}"[:300])
    except (ValueError, KeyError, TypeError):
        return HttpResponse("a level and a text are needed", status=400)
    return HttpResponse(status=204)
