"""Signing up and logging in."""

from django.contrib.auth import get_user_model
from django.test import TestCase, override_settings


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
class AccountTests(TestCase):
    """Accounts, as a visitor makes and uses them."""

    def sign_up(self):
        """Sign up as anna."""
        form = {"username": "anna", "password1": "tea-at-five", "password2": "tea-at-five"}
        return self.client.post("/accounts/sign-up/", form, follow=True)

    def test_sign_up_logs_in(self):
        """Who signs up has a profile and is logged in."""
        self.assertContains(self.sign_up(), "Log out")
        self.assertEqual(get_user_model().objects.get().profile.login_count, 1)

    def test_log_in_again(self):
        """Logins are counted, failed ones are written to the log."""
        self.sign_up()
        self.client.post("/accounts/logout/")
        with self.assertLogs("accounts.receivers", "WARNING"):
            self.client.post("/accounts/login/", {"username": "anna", "password": "wrong"})
        self.client.post("/accounts/login/", {"username": "anna", "password": "tea-at-five"})
        self.assertEqual(get_user_model().objects.get().profile.login_count, 2)
