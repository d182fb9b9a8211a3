"""Signing up, logging in, and what is said and kept of it."""

from datetime import UTC, datetime

from django.contrib.auth import get_user_model
from django.core import mail
from django.test import TestCase, override_settings
from signalscope.models import ActivityLog, Delivery
from signalscope.testing import assert_not_sent, assert_sent

from accounts.models import Profile
from accounts.signals import user_registered
from accounts.templatetags.browsers import browser

FAST_HASHES = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def entry(**fields):
    """Store an entry of the activity log, as signalscope does after a request."""
    return ActivityLog.objects.create(at=datetime.now(UTC), **fields)


@override_settings(PASSWORD_HASHERS=FAST_HASHES)
class AccountTestCase(TestCase):
    """Has a visitor who can sign up."""

    def sign_up(self, email=""):
        """Sign up as anna."""
        form = {"username": "anna", "password1": "tea-at-five", "password2": "tea-at-five"}
        return self.client.post("/accounts/sign-up/", {**form, "email": email}, follow=True)


class AccountTests(AccountTestCase):
    """Accounts, as a visitor makes and uses them."""

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

    def test_profile_of_a_fixture(self):
        """A fixture that brings a user and a profile is loaded, without a second profile."""
        user = get_user_model()(pk=7, username="otto")
        user.save_base(raw=True)
        self.assertFalse(Profile.objects.exists())

    def test_profile_once(self):
        """A user who is saved again keeps the one profile."""
        user = get_user_model().objects.create(username="otto")
        user.save()
        self.assertEqual(Profile.objects.count(), 1)


@override_settings(SIGNALSCOPE={"DELIVERY": {"backend": "inline"}})
class MailTests(AccountTestCase):
    """Mails about accounts; the worker runs where its work is handed over, after the commit."""

    def test_welcome(self):
        """Who signs up with an address is welcomed, once that is committed and not before."""
        with self.captureOnCommitCallbacks(execute=True):
            self.sign_up("anna@example.com")
            self.assertEqual(mail.outbox, [])
        self.assertEqual([sent.to for sent in mail.outbox], [["anna@example.com"]])
        self.assertEqual(mail.outbox[0].subject, "Welcome to Leaf and Kettle")

    def test_welcome_is_promised(self):
        """The promise to send it is stored with the user, without the hash of the password."""
        self.sign_up("anna@example.com")
        promised = Delivery.objects.get(queue="mail")
        self.assertEqual(promised.state, Delivery.State.PENDING)
        self.assertNotIn("md5", str(promised.payload))

    def test_no_welcome_without_an_address(self):
        """Who gave no address gets no mail."""
        with self.captureOnCommitCallbacks(execute=True):
            self.sign_up()
        self.assertFalse(Delivery.objects.exists())
        self.assertEqual(mail.outbox, [])

    def test_sign_up_is_told(self):
        """Who signs up is told of once, with the address."""
        with assert_sent(user_registered, times=1, email="anna@example.com"):
            self.sign_up("anna@example.com")

    @assert_not_sent(user_registered)
    def test_no_welcome_by_a_script(self):
        """A user whom a script makes has a profile, and gets no mail."""
        with self.captureOnCommitCallbacks(execute=True):
            user = get_user_model().objects.create_user("otto", "otto@example.com")
        self.assertEqual(user.profile.points, 0)
        self.assertEqual(mail.outbox, [])

    def test_new_password(self):
        """A new password is told to the owner of the account."""
        self.sign_up("anna@example.com")
        form = {"old_password": "tea-at-five", "new_password1": "tea-at-six"}
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post("/accounts/password/", {**form, "new_password2": "tea-at-six"})
        self.assertEqual([sent.subject for sent in mail.outbox], ["Your password was changed"])
        self.assertTrue(self.client.login(username="anna", password="tea-at-six"))


class ActivityTests(AccountTestCase):
    """The page with what happened to an account."""

    def test_changes_are_shown(self):
        """What a user changes of the account is on the page, with the old and the new value."""
        self.sign_up("anna@example.com")
        form = {"first_name": "Anna", "last_name": "", "email": "anna@example.org"}
        page = self.client.post("/accounts/account/", form, follow=True)
        self.assertContains(page, "Your account is changed.")
        self.assertContains(page, "email: anna@example.com → anna@example.org")
        self.assertContains(page, "first_name: - → Anna")

    def test_only_the_own_account(self):
        """Logins that failed with the own name are shown, what others do is not."""
        self.sign_up()
        entry(action="login_failed", object_type="auth.User", object_label="anna", ip_address="::1")
        entry(action="login_failed", object_type="auth.User", object_label="otto")
        entry(action="logged_in", object_type="auth.User", object_key="4711")
        entries = self.client.get("/accounts/activity/").context["entries"]
        shown = [(entry.action, entry.ip_address) for entry in entries]
        self.assertEqual(shown, [("login_failed", "::1"), ("created", "127.0.0.1")])

    def test_address_that_is_none(self):
        """The form says what is wrong, and nothing is logged."""
        self.sign_up()
        page = self.client.post("/accounts/account/", {"email": "anna"})
        self.assertContains(page, "Enter a valid email address.")
        self.assertFalse(ActivityLog.objects.filter(action="updated").exists())

    def test_login_is_asked_for(self):
        """Who is not logged in is asked to log in."""
        for name in ("activity", "account", "password"):
            with self.subTest(name=name):
                self.assertRedirects(
                    self.client.get(f"/accounts/{name}/"),
                    f"/accounts/login/?next=/accounts/{name}/",
                )

    def test_browsers(self):
        """A browser has a short name, another client the name that it gives itself."""
        edge = "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"
        self.assertEqual(browser(edge), "Edge")
        self.assertEqual(browser(edge.replace(" Edg/140.0", "")), "Chrome")
        self.assertEqual(browser("curl/8.5.0"), "curl")
        self.assertEqual(browser(""), "")
