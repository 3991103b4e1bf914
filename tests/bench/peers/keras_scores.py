"""Held-out scores of the benchmark network trained with plain Keras practice: what the product must not fall short of.

    python keras_scores.py --data FOLDER --out scores.json [--splits NAME,…] [--recipes NAME,…] [--steps 300,600]
                           [--seeds 0,1,2]

Results are appended to the output as they come, and runs that it already holds are not repeated.
"""

import argparse
import json
import os
import pathlib
import time
from dataclasses import asdict, dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tifffile
from sklearn.metrics import confusion_matrix, f1_score

from keras_unet import build_unet, segmentation_loss, set_threads

PATCH = 256
BATCH = 4
BASE_FILTERS = 16


# Data set, and slices for training and testing by scan folder and stem. Grey values of all slices of a scan count for its
# normalisation; labels of test slices for scores only.
SPLITS = json.loads((pathlib.Path(__file__).parent / "splits.json").read_text())


@dataclass(frozen=True)
class Recipe:
    """How one trains. `normalise`: z-scores over a whole scan or over each slice."""

    augment: bool
    cosine: bool
    dice: bool
    batch_norm: bool = False
    normalise: str = "scan"


RECIPES = {
    # What a practised user of Keras writes down without tuning.
    "sensible": Recipe(augment=True, cosine=True, dice=True),
    # The shortest thing that works.
    "plainest": Recipe(augment=False, cosine=False, dice=False),
    "sensible-bn": Recipe(augment=True, cosine=True, dice=True, batch_norm=True),
    "sensible-slice": Recipe(augment=True, cosine=True, dice=True, normalise="slice"),
    "sensible-bn-slice": Recipe(augment=True, cosine=True, dice=True, batch_norm=True, normalise="slice"),
}


def read_scans(data, split, normalise):
    """Returns (training, test): lists of (scan, stem, grey float32 (y, x), labels uint8 (y, x) with materials 1…K)."""
    training, test = [], []
    scans = sorted(set(split["train"]) | set(split["test"]))
    folder = data / split["dataSet"]
    for scan in scans:
        files = sorted((folder / scan / "images").glob("*.tif"))
        greys = {file.stem: tifffile.imread(file).astype(np.float32) for file in files}
        voxels = np.concatenate([grey.ravel() for grey in greys.values()])
        for stem, grey in greys.items():
            reference = voxels if normalise == "scan" else grey
            normalised = (grey - reference.mean()) / reference.std()
            labels = tifffile.imread(folder / scan / "labels" / f"{stem}.tif").astype(np.uint8) + 1
            if stem in split["train"].get(scan, []):
                training.append((scan, stem, normalised, labels))
            if stem in split["test"].get(scan, []):
                test.append((scan, stem, normalised, labels))
    return training, test


def pad_to(image, height, width, **how):
    rows, columns = max(0, height - image.shape[0]), max(0, width - image.shape[1])
    return np.pad(image, ((0, rows), (0, columns)), **how)


def sample_batch(training, recipe, random):
    """Random crops from random slices; where a slice is smaller than a crop the rest is unlabelled."""
    images = np.zeros((BATCH, PATCH, PATCH, 1), np.float32)
    labels = np.zeros((BATCH, PATCH, PATCH), np.uint8)
    for position in range(BATCH):
        _, _, grey, truth = training[random.integers(len(training))]
        y = random.integers(max(1, grey.shape[0] - PATCH + 1))
        x = random.integers(max(1, grey.shape[1] - PATCH + 1))
        crop = pad_to(grey[y : y + PATCH, x : x + PATCH], PATCH, PATCH, mode="reflect")
        label = pad_to(truth[y : y + PATCH, x : x + PATCH], PATCH, PATCH, mode="constant")
        if recipe.augment:
            turns = random.integers(4)
            crop, label = np.rot90(crop, turns), np.rot90(label, turns)
            if random.random() < 0.5:
                crop, label = crop[:, ::-1], label[:, ::-1]
        images[position, ..., 0], labels[position] = crop, label
    return images, labels


def predict(model, grey):
    """Whole slice at once, padded by reflection to a multiple of 16 and cut back."""
    height, width = grey.shape
    padded = pad_to(grey, -(-height // 16) * 16, -(-width // 16) * 16, mode="reflect")
    logits = model(padded[np.newaxis, ..., np.newaxis], training=False).numpy()[0, :height, :width]
    return logits.argmax(-1).astype(np.uint8) + 1


def train_and_score(data, split, recipe, steps, seed):
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    training, test = read_scans(data, split, recipe.normalise)
    materials = max(int(labels.max()) for _, _, _, labels in training)
    model = build_unet(1, materials, BASE_FILTERS, recipe.batch_norm)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps) if recipe.cosine else 1e-3
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4) if recipe.cosine else keras.optimizers.Adam(rate)
    dice_weight = 1.0 if recipe.dice else 0.0
    model.compile(
        optimizer=optimizer,
        loss=lambda labels, logits: segmentation_loss(labels, logits, dice_weight),
        jit_compile=False,
    )
    started = time.perf_counter()
    losses = [float(model.train_on_batch(*sample_batch(training, recipe, random), return_dict=True)["loss"])
              for _ in range(steps)]
    train_seconds = time.perf_counter() - started
    truths, predictions, slices = [], [], {}
    for _, stem, grey, labels in test:
        predicted = predict(model, grey)
        truths.append(labels.ravel())
        predictions.append(predicted.ravel())
        slices[stem] = f1_score(truths[-1], predictions[-1], average="macro")
    truth, predicted = np.concatenate(truths), np.concatenate(predictions)
    return {
        "macroF1": f1_score(truth, predicted, average="macro"),
        "f1": f1_score(truth, predicted, average=None).tolist(),
        "macroF1PerSlice": slices,
        "confusion": confusion_matrix(truth, predicted).tolist(),
        "lastLoss": float(np.mean(losses[-20:])),
        "trainSeconds": train_seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--splits", default=",".join(SPLITS))
    parser.add_argument("--recipes", default="sensible,plainest")
    parser.add_argument("--steps", default="300")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    set_threads(options.threads)
    results = json.loads(options.out.read_text()) if options.out.exists() else []
    done = {(r["split"], r["recipe"], r["steps"], r["seed"]) for r in results}
    for steps in map(int, options.steps.split(",")):
        for seed in map(int, options.seeds.split(",")):
            for recipe in options.recipes.split(","):
                for split in options.splits.split(","):
                    if (split, recipe, steps, seed) in done:
                        continue
                    scores = train_and_score(options.data, SPLITS[split], RECIPES[recipe], steps, seed)
                    entry = {"split": split, "recipe": recipe, "steps": steps, "seed": seed, **scores}
                    results.append({**entry, "settings": asdict(RECIPES[recipe])})
                    partial = options.out.with_suffix(".partial")
                    partial.write_text(json.dumps(results, indent=1))
                    partial.replace(options.out)
                    print(f"{split} {recipe} {steps} steps, seed {seed}: macro-F1 {scores['macroF1']:.4f} "
                          f"{[round(f1, 4) for f1 in scores['f1']]} in {scores['trainSeconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
