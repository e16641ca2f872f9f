"""Waiting for a condition instead of for a time."""

import time

# The longest wait for something that takes milliseconds on an idle machine. It is long because a wait that ends
# with it is a failure, and other load on the machine must not cause one.
PATIENCE_SECONDS = 60
POLL_SECONDS = 0.02


def wait_until(condition, seconds=PATIENCE_SECONDS):
    """Calls `condition` until it returns something true. Returns how long that took in seconds, or None."""
    start = time.monotonic()
    while True:
        met = condition()
        took_seconds = time.monotonic() - start
        if met:
            return took_seconds
        if took_seconds >= seconds:
            return None
        time.sleep(POLL_SECONDS)
