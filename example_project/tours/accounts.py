"""Somebody signs up and is welcomed, changes the account, and reads what happened to it."""

import secrets

from visitor import Visitor, expect


def take(anna, keeper):
    """Sign up, be welcomed, change name and password, fail to log in, read the log."""
    otto, password = Visitor(anna.base), secrets.token_urlsafe()
    name = f"otto-{secrets.token_hex(3)}"
    address = f"{name}@example.com"
    otto.get("/accounts/sign-up/")
    form = {"username": name, "email": address, "password1": password, "password2": password}
    otto.post("/accounts/sign-up/", **form)
    keeper.wait_for("/mailbox/", f"To {address}")

    otto.get("/accounts/account/")
    page = otto.post("/accounts/account/", first_name="Otto", email=address)
    expect("first_name: - → Otto" in page, "a change of an account is not logged")
    otto.get("/accounts/password/")
    new = secrets.token_urlsafe()
    page = otto.post(
        "/accounts/password/", old_password=password, new_password1=new, new_password2=new
    )
    expect("Your password is changed." in page, "a password cannot be changed")
    expect("Your password was changed" in keeper.get("/mailbox/"), "nobody is told of it")

    stranger = Visitor(anna.base)
    stranger.get("/accounts/login/")
    stranger.post("/accounts/login/", username=name, password="a guess")  # noqa: S106
    page = otto.wait_for("/accounts/activity/", "Login failed")
    for text in ("Logged in", "Password changed"):
        expect(text in page, f"the activity of an account lacks {text!r}")
