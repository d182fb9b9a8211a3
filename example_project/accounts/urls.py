"""Addresses of accounts."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from accounts import views

urlpatterns = [
    path("sign-up/", views.SignUpPage.as_view(), name="sign_up"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("profile/", views.ProfilePage.as_view(), name="profile"),
    path("account/", views.AccountPage.as_view(), name="account"),
    path("password/", views.PasswordPage.as_view(), name="password_change"),
    path("activity/", views.ActivityPage.as_view(), name="account_activity"),
]
