"""Reference for interpolation between labelled slices, written to interpolation.json beside this file.

Needs numpy and scipy. Run: python tests/golden/interpolation.py
Slices are encoded as one string per row, one digit per voxel: 0 = unlabelled.
Shape-based interpolation (Raya & Udupa 1990) with exact Euclidean distance maps: scipy.ndimage.distance_transform_edt gives
the distance from a voxel centre to the nearest centre on the other side; half a voxel less puts the border between them.
"""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy import ndimage


def blobs(rng, shape, sigma):
    field = ndimage.gaussian_filter(rng.standard_normal(shape), sigma)
    low, high = np.quantile(field, [0.3, 0.75])
    return np.where(field > high, 1, np.where(field < low, 2, 0)).astype(np.uint8)


def signed(mask):
    inside = ndimage.distance_transform_edt(mask)
    outside = ndimage.distance_transform_edt(~mask)
    # Kept as float32, like the maps of the program.
    return np.where(mask, inside - 0.5, -(outside - 0.5)).astype(np.float32)


def interpolate(first, second, steps, materials):
    slices = []
    for step in range(1, steps):
        weight = step / steps
        best = np.zeros(first.shape, np.float32)
        label = np.zeros(first.shape, np.uint8)
        for material in materials:
            below = signed(first == material).astype(np.float64)
            above = signed(second == material).astype(np.float64)
            distance = ((1 - weight) * below + weight * above).astype(np.float32)
            wins = distance > best
            best = np.where(wins, distance, best)
            label[wins] = material
        slices.append(label)
    return slices


def encode(labels):
    return ["".join(map(str, row)) for row in labels]


def main():
    rng = np.random.default_rng(1990)
    cases = []
    for shape, sigma, steps in [((24, 31), 3, 4), ((40, 33), 5, 7), ((17, 19), 2, 3)]:
        first = blobs(rng, shape, sigma)
        second = np.roll(first, (2, -1), (0, 1)) if steps == 7 else blobs(rng, shape, sigma)
        between = interpolate(first, second, steps, [1, 2])
        cases.append(
            {
                "first": encode(first),
                "second": encode(second),
                "between": [encode(labels) for labels in between],
                "onlySecondMaterial": [encode(labels) for labels in interpolate(first, second, steps, [2])],
            }
        )
    made = {"numpy": np.__version__, "scipy": scipy.__version__}
    target = Path(__file__).with_suffix(".json")
    target.write_text(json.dumps({"madeWith": made, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
