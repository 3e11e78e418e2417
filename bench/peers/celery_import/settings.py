"""Django, with nothing but the one application. bench/django.go says where the engines are."""

import os

SECRET_KEY = "for this measurement alone"
INSTALLED_APPS = ["flights"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"],
        "NAME": os.environ["PGDATABASE"],
        "CONN_MAX_AGE": None,  # a connection for each process, kept
    }
}
USE_TZ = True
