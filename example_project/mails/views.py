"""The page of mails."""

from django.views.generic import ListView

from mails.models import Mail


class Mailbox(ListView):
    """The mails that were sent last."""

    def get_queryset(self):
        """Return the newest."""
        return Mail.objects.all()[:50]
