"""Waiting for a condition in a test, without sleeping for a fixed time."""

import time
import urllib.error
import urllib.request


def eventually(predicate, timeout=20.0):
    """Asks `predicate` again and again until its answer is true or `timeout` seconds have passed;
    returns its last answer. The pause between two questions grows from 1 to 20 ms."""
    end = time.monotonic() + timeout
    pause = 0.001
    while True:
        answer = predicate()
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def eventually_answers(url):
    """Whether that address comes to answer with a status of success."""
    def answers():
        try:
            with urllib.request.urlopen(url):
                return True
        except urllib.error.HTTPError:
            return False
    return eventually(answers)
