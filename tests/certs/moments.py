"""Names and moments that the tests of keys share. No test reads a clock for its verdict."""

from datetime import UTC, datetime, timedelta

from certs.issue import service_name

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NAME = service_name("sallyport", "sallyport-system")
NAMES = (NAME,)
LOCAL = ("127.0.0.1", "localhost", NAME)
