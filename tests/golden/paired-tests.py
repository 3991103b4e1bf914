"""Reference values for the tests of paired differences, written to paired-tests.json beside this file.

Needs numpy and scipy. Run: python tests/golden/paired-tests.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy import stats


def sign_flip(differences):
    """Exact: all sign patterns, because there are fewer than the resamples asked for."""
    result = stats.permutation_test(
        (np.array(differences),),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    return float(result.pvalue)


def main():
    rng = np.random.default_rng(7)
    cases = []
    for count, shift in [(3, 0.02), (5, 0.05), (8, 0.0), (12, 0.03), (15, -0.02)]:
        differences = np.round(rng.normal(shift, 0.04, count), 6).tolist()
        cases.append(
            {
                "differences": differences,
                "signFlip": sign_flip(differences),
                "wilcoxon": float(stats.wilcoxon(differences, method="exact").pvalue),
                "wilcoxonMethod": "exact",
            }
        )
    tied = [0.01, 0.01, -0.01, 0.02, 0.0, 0.03, -0.02, 0.02, 0.05, 0.0, 0.04]
    cases.append(
        {
            "differences": tied,
            "signFlip": sign_flip(tied),
            "wilcoxon": float(
                stats.wilcoxon(tied, zero_method="wilcox", correction=False, method="asymptotic").pvalue
            ),
            "wilcoxonMethod": "normal-approximation",
        }
    )
    many = np.round(rng.normal(0.012, 0.05, 60), 6).tolist()
    drawn = stats.permutation_test(
        (np.array(many),),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=200_000,
        rng=np.random.default_rng(1),
    )
    cases.append(
        {
            "differences": many,
            "signFlip": float(drawn.pvalue),
            "wilcoxon": float(stats.wilcoxon(many, correction=False, method="asymptotic").pvalue),
            "wilcoxonMethod": "normal-approximation",
        }
    )
    text = json.dumps({"scipy": scipy.__version__, "cases": cases}, indent=1)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
