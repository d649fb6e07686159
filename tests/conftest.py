"""No test asserts on absolute time, and so none that hypothesis draws has a deadline."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
