"""Held-out scores of classifiers on features of single voxels: what `vgg16-nn` must not fall short of.

    python feature_scores.py --data FOLDER --out scores.json [--splits NAME,…] [--peers forest,keras-block1]
                             [--weights vgg16-imagenet.safetensors] [--seeds 0,1]

`forest`: what users of ilastik have, 100 trees on smoothed greys, edges and textures of scikit-image with sigma 0.7 to 10.
`keras-block1`: the 64 channels of VGG16's block 1 with a neural network of one hidden layer in Keras; needs `--weights`.
Both learn from 20,000 voxels per slice drawn at random. Results are appended to the output as they come, and those that it
already holds are not repeated.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tifffile
from sklearn.metrics import f1_score

VOXELS_PER_SLICE = 20_000
SPLITS = json.loads((pathlib.Path(__file__).parent / "splits.json").read_text())
# Slices of this data set are micrographs taken one by one, without a common grey scale.
NORMALISED_PER_SLICE = {"superalloy-sem"}


def read_slices(data, split):
    """Returns {'train': […], 'test': […]} of (grey 0…1 float32 (y, x), labels (y, x))."""
    result = {"train": [], "test": []}
    folder = data / split["dataSet"]
    for scan in sorted(set(split["train"]) | set(split["test"])):
        greys = {file.stem: tifffile.imread(file).astype(np.float32) for file in sorted((folder / scan / "images").glob("*.tif"))}
        voxels = np.concatenate([grey.ravel() for grey in greys.values()])
        for stem, grey in greys.items():
            low, high = np.percentile(grey if split["dataSet"] in NORMALISED_PER_SLICE else voxels, [0.5, 99.5])
            normalised = np.clip((grey - low) / (high - low), 0, 1).astype(np.float32)
            labels = tifffile.imread(folder / scan / "labels" / f"{stem}.tif")
            for part in result:
                if stem in split[part].get(scan, []):
                    result[part].append((normalised, labels))
    return result


def forest(slices, seed, _weights):
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    def features(grey):
        return multiscale_basic_features(grey, sigma_min=0.7, sigma_max=10)

    rows, labels = draw(slices["train"], features, seed)
    model = RandomForestClassifier(100, n_jobs=-1, random_state=seed).fit(rows, labels)
    return lambda grey: model.predict(features(grey).reshape(grey.size, -1))


def keras_block1(slices, seed, weights):
    import keras
    from safetensors.numpy import load_file

    keras.utils.set_random_seed(seed)
    values = load_file(weights)
    picture = keras.Input((None, None, 3))
    output = picture
    for name in ("block1_conv1", "block1_conv2"):
        output = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name=name)(output)
    extractor = keras.Model(picture, output)
    for name in ("block1_conv1", "block1_conv2"):
        extractor.get_layer(name).set_weights([values[f"{name}/kernel"], values[f"{name}/bias"]])

    def features(grey):
        rgb = np.repeat(grey[np.newaxis, :, :, np.newaxis] * 255, 3, axis=3)
        return np.asarray(extractor(keras.applications.vgg16.preprocess_input(rgb), training=False))[0]

    rows, labels = draw(slices["train"], features, seed)
    mean, deviation = rows.mean(0), rows.std(0) + 1e-6
    model = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(int(labels.max()) + 1)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    model.fit((rows - mean) / deviation, labels, batch_size=1024, epochs=20, verbose=0)
    return lambda grey: model.predict((features(grey).reshape(-1, 64) - mean) / deviation, batch_size=65536, verbose=0).argmax(1)


PEERS = {"forest": forest, "keras-block1": keras_block1}


def draw(slices, features, seed):
    random = np.random.default_rng(seed)
    rows, labels = [], []
    for grey, truth in slices:
        all_rows = features(grey)
        chosen = random.choice(grey.size, min(VOXELS_PER_SLICE, grey.size), replace=False)
        rows.append(all_rows.reshape(grey.size, -1)[chosen])
        labels.append(truth.ravel()[chosen])
    return np.concatenate(rows), np.concatenate(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--splits", default=",".join(SPLITS))
    parser.add_argument("--peers", default="forest")
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--seeds", default="0")
    options = parser.parse_args()
    results = json.loads(options.out.read_text()) if options.out.exists() else []
    done = {(r["split"], r["recipe"], r["seed"]) for r in results}
    for seed in map(int, options.seeds.split(",")):
        for name in options.peers.split(","):
            for split in options.splits.split(","):
                if (split, name, seed) in done:
                    continue
                slices = read_slices(options.data, SPLITS[split])
                predict = PEERS[name](slices, seed, options.weights)
                truth = np.concatenate([labels.ravel() for _, labels in slices["test"]])
                predicted = np.concatenate([predict(grey) for grey, _ in slices["test"]])
                scores = f1_score(truth, predicted, average=None)
                results.append({"split": split, "recipe": name, "seed": seed, "macroF1": scores.mean(), "f1": scores.tolist()})
                options.out.write_text(json.dumps(results, indent=1))
                print(f"{split} {name}, seed {seed}: macro-F1 {scores.mean():.4f} {scores.round(3).tolist()}", flush=True)


if __name__ == "__main__":
    main()
