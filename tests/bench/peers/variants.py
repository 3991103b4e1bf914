"""Choosing the faster of several ways to run the same thing, so that the peer is compared at its best."""

import statistics

WARM_UP_STEPS = 4


def choose_fastest(variants, trials):
    """`variants`: name → function that does the work once and returns its seconds; each has been warmed up.

    They take turns, so that a disturbance of the machine strikes all of them. Returns the name of the fastest and the
    median seconds of each.
    """
    seconds = {name: [] for name in variants}
    for _ in range(trials):
        for name, work in variants.items():
            seconds[name].append(work())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return min(medians, key=medians.get), medians
