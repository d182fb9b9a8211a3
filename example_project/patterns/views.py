"""The page of patterns."""

from django.views.generic import TemplateView

from patterns.catalogue import PATTERNS


class Patterns(TemplateView):
    """Lists what the example project shows, with where it is seen."""

    template_name = "patterns/patterns.html"
    extra_context = {"patterns": PATTERNS}
