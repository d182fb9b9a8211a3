"""Pages of accounts."""

from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.shortcuts import redirect
from django.views.generic import FormView, TemplateView

from accounts.models import Profile


class SignUpPage(FormView):
    """Makes an account and logs in."""

    form_class = UserCreationForm
    template_name = "accounts/sign_up.html"

    def form_valid(self, form):
        """Store the user, and go to the products."""
        login(self.request, form.save())
        return redirect("shop:product_list")


class ProfilePage(LoginRequiredMixin, TemplateView):
    """A customer's points."""

    template_name = "accounts/profile.html"

    def get_context_data(self, **kwargs):
        """Add the profile of the user who is logged in."""
        profile = Profile.objects.get(user=self.request.user)
        return super().get_context_data(profile=profile, **kwargs)
