"""Lines of progress: when they come, and their numbers, by a clock that the test moves."""

import logging

import pytest

from robustlens.meter import Meter, duration


@pytest.fixture
def measured(caplog):
    """A meter of a total, and a function that lets seconds pass, counts images and gives the lines that came of it."""
    caplog.set_level(logging.INFO, "robustlens")
    now = [100.0]

    def meter(total):
        found = Meter(total, clock=lambda: now[0])

        def after(seconds, n_images):
            now[0] += seconds
            caplog.clear()
            found.add(n_images)
            return caplog.messages

        return after

    return meter


def test_lines_come_every_ten_seconds_and_at_the_end(measured):
    after = measured(5000)
    assert after(1, 300) == []
    assert after(8.9, 300) == []
    assert after(0.1, 600) == ["1,200 of 5,000 images, 120 images/s, 32 s left"]
    assert after(9.9, 100) == []
    assert after(0.1, 100) == ["1,400 of 5,000 images, 70 images/s, 51 s left"]
    assert after(1, 3600) == ["5,000 of 5,000 images, 238 images/s, 0 s left"]


def test_a_slow_job_has_a_decimal_and_hours(measured):
    assert measured(72_003)(30, 3) == ["3 of 72,003 images, 0.1 images/s, 200 h 00 min left"]


def test_a_job_that_takes_no_time_has_a_speed(measured):
    assert measured(5)(0, 5) == ["5 of 5 images, 5,000 images/s, 0 s left"]


def test_durations():
    texts = {0.4: "0 s", 99: "99 s", 100: "2 min", 3540: "59 min", 3590: "1 h 00 min", 7500: "2 h 05 min"}
    assert [duration(seconds) for seconds in texts] == list(texts.values())
