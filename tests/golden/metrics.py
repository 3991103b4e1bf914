"""Reference values for the scores, written to metrics.json beside this file.

Needs numpy, scipy, scikit-learn and scikit-image. Run: python tests/golden/metrics.py
Slices are encoded as one string per row, one digit per voxel: 0 = unlabelled (truth) or outside (prediction).
"""

import json
import warnings
from pathlib import Path

import numpy as np
import scipy
import skimage
import sklearn
from scipy import ndimage, stats
from skimage.segmentation import find_boundaries
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_recall_fscore_support,
)

CROSS = ndimage.generate_binary_structure(2, 1)


def blobs(rng, shape, sigma, cuts):
    """Smooth random field cut into len(cuts) + 1 materials, numbered from 1."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), sigma)
    return (1 + np.digitize(field, np.quantile(field, cuts))).astype(np.uint8)


def disturbed(rng, truth, materials, noise):
    """The truth shifted by one voxel in y, with some voxels drawn anew."""
    predicted = np.roll(truth, 1, axis=0)
    change = rng.random(truth.shape) < noise
    return np.where(change, rng.integers(1, materials + 1, truth.shape), predicted).astype(np.uint8)


def truth_boundary(truth, material):
    """Voxels of the material with a 4-neighbour inside the slice that is labelled otherwise."""
    mask = truth == material
    return mask & ~ndimage.binary_erosion(mask | (truth == 0), CROSS, border_value=1)


def predicted_boundary(predicted, material):
    mask = predicted == material
    boundary = mask & ~ndimage.binary_erosion(mask, CROSS, border_value=1)
    # The same by another library, so that the definition is not ours alone.
    assert np.array_equal(boundary, mask & find_boundaries(mask, connectivity=1, mode="inner"))
    return boundary


def boundary_scores(slices, material, tolerance):
    from_truth, from_predicted = [], []
    within_truth = within_predicted = 0
    for truth, predicted in slices:
        t, p = truth_boundary(truth, material), predicted_boundary(predicted, material)
        known = np.ones(truth.shape, bool)
        if (truth == 0).any():
            known = ndimage.distance_transform_edt(truth != 0) > tolerance + 1
        diagonal = np.hypot(truth.shape[0] - 1, truth.shape[1] - 1)
        for own, other, distances in ((t, p, from_truth), (p, t, from_predicted)):
            field = ndimage.distance_transform_edt(~other) if other.any() else None
            count = int((own & known).sum())
            values = np.full(count, diagonal) if field is None else field[own & known]
            distances.extend(values.tolist())
            matched = 0 if field is None else int((values <= tolerance).sum())
            if own is t:
                within_truth += matched
            else:
                within_predicted += matched
    recall = within_truth / len(from_truth) if from_truth else None
    precision = within_predicted / len(from_predicted) if from_predicted else None
    if recall is None:
        f1 = None
    elif (precision or 0) + recall == 0:
        f1 = 0.0
    else:
        f1 = 2 * (precision or 0) * recall / ((precision or 0) + recall)
    assd = hd95 = None
    if from_truth and from_predicted:
        assd = (sum(from_truth) + sum(from_predicted)) / (len(from_truth) + len(from_predicted))
        hd95 = max(np.percentile(from_truth, 95), np.percentile(from_predicted, 95))
    return {"boundaryPrecision": precision, "boundaryRecall": recall, "boundaryF1": f1, "assd": assd, "hd95": hd95}


def plain(value):
    return None if np.isnan(value) else float(value)


def case(name, slices, materials, tolerance):
    truth = np.concatenate([t[t > 0] for t, _ in slices])
    predicted = np.concatenate([p[t > 0] for t, p in slices])
    labels = list(range(1, materials + 1))
    present = np.unique(truth)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=labels, zero_division=np.nan
    )
    iou = jaccard_score(truth, predicted, labels=labels, average=None, zero_division=0)
    per_material = []
    for k, label in enumerate(labels):
        absent = support[k] == 0
        per_material.append(
            {
                "precision": plain(precision[k]),
                "recall": plain(recall[k]),
                # scikit-learn calls the F1 of a material that is only predicted 0; here it is undefined.
                "f1": None if absent else plain(f1[k]),
                "iou": None if absent else plain(iou[k]),
                "support": int(support[k]),
                "volumeFraction": {
                    "truth": float((truth == label).mean()),
                    "predicted": float((predicted == label).mean()),
                },
                **boundary_scores(slices, label, tolerance),
            }
        )
    return {
        "name": name,
        "materials": materials,
        "tolerance": tolerance,
        "slices": [
            {key: ["".join(map(str, row)) for row in array] for key, array in (("truth", t), ("predicted", p))}
            for t, p in slices
        ],
        "perMaterial": per_material,
        "macroF1": float(f1_score(truth, predicted, labels=present, average="macro")),
        "weightedF1": float(f1_score(truth, predicted, labels=present, average="weighted")),
        "meanIoU": float(jaccard_score(truth, predicted, labels=present, average="macro")),
        "accuracy": float(accuracy_score(truth, predicted)),
        # Columns: outside, then the materials. Outside never occurs in the truth, so its row is dropped.
        "confusion": confusion_matrix(truth, predicted, labels=[0, *labels])[1:].tolist(),
    }


def cases():
    rng = np.random.default_rng(20)
    shape = (26, 34)
    dense = [blobs(rng, shape, 3, [0.35, 0.8]) for _ in range(3)]
    pairs = [(t, disturbed(rng, t, 3, 0.05)) for t in dense]
    yield case("dense, three materials", pairs, 3, 2)
    yield case("tolerance 0", pairs, 3, 0)
    yield case("tolerance between whole numbers", pairs, 3, 1.5)

    sparse = []
    for t, p in pairs:
        t = t.copy()
        t[ndimage.gaussian_filter(rng.standard_normal(shape), 4) > 0.05] = 0
        sparse.append((t, p))
    yield case("partly unlabelled truth", sparse, 3, 1)

    outside = []
    for t, p in pairs:
        p = p.copy()
        p[rng.random(shape) < 0.1] = 0
        outside.append((t, p))
    yield case("predictions outside the known materials", outside, 3, 2)

    yield case("a material that is never predicted", [(t, np.where(p == 2, 1, p)) for t, p in pairs], 3, 2)
    yield case("a material that only the prediction has", [(np.where(t == 2, 1, t), p) for t, p in pairs], 3, 2)
    yield case("a material that occurs nowhere", pairs, 4, 2)
    gone = [(t, np.where(p == 3, 2, p)) if z == 1 else (t, p) for z, (t, p) in enumerate(pairs)]
    yield case("a material that the prediction lacks in one slice", gone, 3, 2)
    yield case("perfect", [(t, t) for t, _ in pairs], 3, 2)
    thin = np.ones((12, 40), np.uint8)
    thin[5, :] = 2
    shifted = np.roll(thin, 3, axis=0)
    yield case("a thin line moved by three voxels", [(thin, shifted)], 2, 2)


def bootstrap_case():
    """Percentile interval of macro-F1 over slices, by SciPy's own resampling."""
    rng = np.random.default_rng(7)
    truths = [blobs(rng, (24, 30), 2.5, [0.4, 0.75]) for _ in range(12)]
    predictions = [disturbed(rng, t, 3, noise) for t, noise in zip(truths, rng.uniform(0, 0.4, 12))]
    matrices = np.array(
        [confusion_matrix(t.ravel(), p.ravel(), labels=[1, 2, 3]) for t, p in zip(truths, predictions)]
    )

    def macro_f1(index):
        total = matrices[index].sum(axis=0)
        return np.mean(2 * np.diag(total) / (total.sum(axis=0) + total.sum(axis=1)))

    interval = stats.bootstrap(
        (np.arange(12),), macro_f1, n_resamples=20000, method="percentile", vectorized=False,
        random_state=np.random.default_rng(1),
    ).confidence_interval
    return {"matrices": matrices.tolist(), "macroF1": [float(interval.low), float(interval.high)]}


def quantile_case():
    rng = np.random.default_rng(3)
    squared = rng.integers(0, 400, 57)
    return {
        "squared": squared.tolist(),
        "quantiles": [[q, float(np.quantile(np.sqrt(squared), q))] for q in (0, 0.05, 0.5, 0.95, 1)],
    }


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    golden = {
        "madeWith": {
            "script": "tests/golden/metrics.py",
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "scikit-image": skimage.__version__,
        },
        "cases": list(cases()),
        "bootstrap": bootstrap_case(),
        "quantiles": quantile_case(),
    }
target = Path(__file__).with_suffix(".json")
target.write_text(json.dumps(golden, indent=1) + "\n")
print(f"{target.name}: {len(golden['cases'])} cases")
