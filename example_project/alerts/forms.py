"""Forms of alerts."""

from django import forms
from django.core.validators import URLValidator

from alerts.models import Alert


class AlertForm(forms.ModelForm):
    """What is to be told."""

    class Meta:
        model = Alert
        fields = ("level", "text")


class WebhookForm(forms.Form):
    """Where it is to be told."""

    url = forms.CharField(label="Webhook", validators=[URLValidator(["http", "https"])])
