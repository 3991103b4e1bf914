"""The benchmark network in Keras: training-step and prediction timing server.

Commands
  train-setup    makes model and optimiser, tries XLA on and off, keeps the faster → what runs and its variants
  step           one optimiser step on the batch → seconds, loss
  predict-setup  makes the model and its input → what runs
  predict        one forward pass, most probable material of every voxel in host memory → seconds
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from peer_protocol import open_answers, serve
from unet_batch import read_batch, read_weights
from variants import WARM_UP_STEPS, choose_fastest

DEPTH = 4


def build_unet(channels, materials, base_filters, batch_norm=False, momentum=0.9, epsilon=1e-3):
    """UNet of 18 3×3 convolutions on (y, x, channels) of any size divisible by 16; returns logits.

    Layers are made in the order in which the network computes, so that weights can be handed over as one list.
    """

    def double_convolution(tensor, filters):
        for _ in range(2):
            tensor = layers.Conv2D(
                filters, 3, padding="same", use_bias=not batch_norm,
                activation=None if batch_norm else "relu", kernel_initializer="he_normal",
            )(tensor)
            if batch_norm:
                tensor = layers.BatchNormalization(momentum=momentum, epsilon=epsilon)(tensor)
                tensor = layers.ReLU()(tensor)
        return tensor

    inputs = keras.Input((None, None, channels))
    tensor = inputs
    skips = []
    for level in range(DEPTH):
        tensor = double_convolution(tensor, base_filters * 2**level)
        skips.append(tensor)
        tensor = layers.MaxPooling2D(2)(tensor)
    tensor = double_convolution(tensor, base_filters * 2**DEPTH)
    for level in reversed(range(DEPTH)):
        filters = base_filters * 2**level
        tensor = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(tensor)
        tensor = layers.Concatenate()([skips[level], tensor])
        tensor = double_convolution(tensor, filters)
    return keras.Model(inputs, layers.Conv2D(materials, 1)(tensor))


def segmentation_loss(labels, logits, dice_weight=1.0):
    """Mean cross-entropy over labelled voxels + soft Dice over labelled voxels, averaged over materials.

    labels uint8 (batch, y, x), 0 = unlabelled; logits (batch, y, x, materials).
    """
    truth = tf.one_hot(tf.cast(labels, tf.int32) - 1, logits.shape[-1], dtype=logits.dtype)
    labelled = tf.cast(labels > 0, logits.dtype)
    log_probabilities = tf.nn.log_softmax(logits)
    cross_entropy = -tf.reduce_sum(truth * log_probabilities) / tf.maximum(tf.reduce_sum(labelled), 1.0)
    if dice_weight == 0:
        return cross_entropy
    probabilities = tf.exp(log_probabilities) * labelled[..., tf.newaxis]
    axes = (0, 1, 2)
    overlap = tf.reduce_sum(probabilities * truth, axes)
    total = tf.reduce_sum(probabilities, axes) + tf.reduce_sum(truth, axes)
    dice = (2.0 * overlap + 1.0) / (total + 1.0)
    return cross_entropy + dice_weight * (1.0 - tf.reduce_mean(dice))


def set_threads(threads):
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def describe(model, chosen, medians):
    devices = tf.config.list_physical_devices("GPU")
    return {
        "chosen": chosen,
        "variants": medians,
        "parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        "device": "GPU" if devices else "CPU",
        "versions": {
            "keras": keras.__version__, "tensorflow": tf.__version__, "python": sys.version.split()[0],
        },
    }


class TrainingPeer:
    def setup(self, batch_path, weights, batch, size, materials, base_filters, batch_norm, momentum, epsilon,
              learning_rate, weight_decay, trials):
        self.images, self.labels = read_batch(batch_path, batch, size)
        models, losses = {}, {}
        for jit in (False, True):
            model = build_unet(1, materials, base_filters, batch_norm, momentum, epsilon)
            parameters = model.trainable_variables
            for variable, value in zip(parameters, read_weights(weights, [v.shape for v in parameters])):
                variable.assign(value)
            optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
            optimizer.exclude_from_weight_decay([v for v in parameters if v.name != "kernel"])
            model.compile(optimizer=optimizer, loss=segmentation_loss, jit_compile=jit)
            name = f"jit_compile={jit}"
            models[name] = model
            # The first step compiles. Its loss is that of the weights handed over, the later ones show the gradients.
            losses[name] = [self._step(model)[1] for _ in range(WARM_UP_STEPS)]
        chosen, medians = choose_fastest(
            {name: lambda model=model: self._step(model)[0] for name, model in models.items()}, trials
        )
        self.model = models[chosen]
        return {**describe(self.model, chosen, medians), "losses": losses[chosen]}

    def _step(self, model):
        started = time.perf_counter()
        loss = float(model.train_on_batch(self.images, self.labels))
        return time.perf_counter() - started, loss

    def step(self):
        seconds, loss = self._step(self.model)
        return {"seconds": seconds, "loss": loss}


class PredictionPeer:
    def setup(self, weights, batch, size, materials, base_filters, batch_norm, momentum, epsilon, trials):
        model = build_unet(1, materials, base_filters, batch_norm, momentum, epsilon)
        parameters = model.trainable_variables
        for variable, value in zip(parameters, read_weights(weights, [v.shape for v in parameters])):
            variable.assign(value)
        self.images = np.random.default_rng(1).random((batch, size, size, 1), np.float32)
        passes = {}
        for jit in (False, True):
            forward = tf.function(
                lambda images: tf.argmax(model(images, training=False), -1, tf.int32), jit_compile=jit
            )
            self._pass(forward)
            passes[f"jit_compile={jit}"] = forward
        chosen, medians = choose_fastest(
            {name: lambda forward=forward: self._pass(forward) for name, forward in passes.items()}, trials
        )
        self.forward = passes[chosen]
        return describe(model, chosen, medians)

    def _pass(self, forward):
        started = time.perf_counter()
        forward(tf.constant(self.images)).numpy()
        return time.perf_counter() - started

    def predict(self):
        return {"seconds": self._pass(self.forward)}


if __name__ == "__main__":
    answers = open_answers()
    training, prediction = TrainingPeer(), PredictionPeer()
    serve(
        {
            "train-setup": training.setup,
            "step": training.step,
            "predict-setup": prediction.setup,
            "predict": prediction.predict,
        },
        answers,
    )
