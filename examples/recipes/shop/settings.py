"""The settings of a small shop."""

import os

SECRET_KEY = "only for an example"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"],
                         "OPTIONS": {"timeout": 30}}}
USE_TZ = True

LOCKS = os.environ["DLOCK_URL"]
OUTBOX = os.environ["OUTBOX"]
