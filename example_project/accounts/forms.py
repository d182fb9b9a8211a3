"""Forms of accounts."""

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm


class SignUpForm(UserCreationForm):
    """Name, password and, for who wants to hear from the shop, an address."""

    class Meta(UserCreationForm.Meta):
        model = get_user_model()
        fields = ("username", "email")


class AccountForm(forms.ModelForm):
    """What a user can change of the account; the password has a page of its own."""

    class Meta:
        model = get_user_model()
        fields = ("first_name", "last_name", "email")
