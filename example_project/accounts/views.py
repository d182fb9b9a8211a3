"""Pages of accounts."""

from django.contrib import messages
from django.contrib.auth import get_user_model, login
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.views.generic import FormView, ListView, TemplateView, UpdateView
from signalscope.models import ActivityLog

from accounts.forms import AccountForm, SignUpForm
from accounts.models import Profile
from accounts.signals import user_registered

ENTRY_COUNT = 50


class SignUpPage(FormView):
    """Makes an account and logs in."""

    form_class = SignUpForm
    template_name = "accounts/sign_up.html"

    def form_valid(self, form):
        """Store the user, tell that there is a new one, and go to the products."""
        with transaction.atomic():
            user = form.save()
            user_registered.send(sender=type(user), user=user, email=user.email)
        login(self.request, user)
        return redirect("shop:product_list")


class ProfilePage(LoginRequiredMixin, TemplateView):
    """A customer's points."""

    template_name = "accounts/profile.html"

    def get_context_data(self, **kwargs):
        """Add the profile of the user who is logged in."""
        profile = Profile.objects.get(user=self.request.user)
        return super().get_context_data(profile=profile, **kwargs)


class AccountPage(LoginRequiredMixin, UpdateView):
    """The name and the address of the user who is logged in."""

    form_class = AccountForm
    template_name = "accounts/account.html"
    success_url = reverse_lazy("account_activity")

    def get_object(self, queryset=None):
        """Return who is logged in, for whatever key somebody asks."""
        # A copy: what the form refuses must not show up as the user's name in the bar.
        return get_user_model().objects.get(pk=self.request.user.pk)

    def form_valid(self, form):
        """Store the changes, which signalscope logs."""
        messages.success(self.request, "Your account is changed.")
        return super().form_valid(form)


class PasswordPage(PasswordChangeView):
    """Asks for a new password; Django does the rest."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("account_activity")

    def form_valid(self, form):
        """Store the password, of which signalscope logs that it is new, and nothing else."""
        messages.success(self.request, "Your password is changed.")
        return super().form_valid(form)


class ActivityPage(LoginRequiredMixin, ListView):
    """What happened to the account of the user who is logged in, the newest first."""

    template_name = "accounts/activity.html"
    context_object_name = "entries"

    def get_queryset(self):
        """Return what was done to the account, and logins that failed with its name."""
        user, log = self.request.user, ActivityLog.objects
        # Who failed to log in is nobody: such an entry has the name that was tried, and no key.
        failed = log.filter(
            action=ActivityLog.Action.LOGIN_FAILED, object_label=user.get_username()
        )
        return (log.for_object(user) | failed)[:ENTRY_COUNT]

    def get_context_data(self, **kwargs):
        """Add to each entry what people call its action."""
        context = super().get_context_data(**kwargs)
        labels = dict(ActivityLog.Action.choices)
        for entry in context["entries"]:
            entry.label = labels.get(entry.action, entry.action)
        return context
