"""Ground floor: standard library, asgiref and django.dispatch only; no models, no settings."""
