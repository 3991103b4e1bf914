"""Makes the weights files in tests/golden/weights with Keras and h5py, the reference implementations, and weights.json with
features that Keras computes.

    python tests/golden/weights.py      (needs keras with tensorflow, h5py, numpy)

The network is VGG16's blocks 1 and 2 with 4, 4, 6, 6 filters. Value i (C order) of the kernel of layer k (from 0) is
((37 i + 11 k) mod 101 - 50) / 128, of its bias ((29 i + 7 k) mod 31 - 10) / 16: exact in float32. The test computes the same. `npySha256` are hashes of the
same tensors as numpy before 1.14 saved them: with 16 instead of 64 as alignment and no room for the first axis to grow.
"""

import hashlib
import io
import json
import os
import pathlib
import shutil
import tempfile

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'

import h5py
import keras
import numpy
from keras.src.legacy.saving import legacy_h5_format

OUT = pathlib.Path(__file__).parent / 'weights'
LAYERS = [('block1_conv1', 4), ('block1_conv2', 4), ('block2_conv1', 6), ('block2_conv2', 6)]
MEAN = [103.939, 116.779, 123.68]


def kernel(k, shape):
    i = numpy.arange(numpy.prod(shape))
    return (((37 * i + 11 * k) % 101 - 50) / 128).reshape(shape).astype('float32')


def bias(k, size):
    i = numpy.arange(size)
    return (((29 * i + 7 * k) % 31 - 10) / 16).astype('float32')


def network(with_top=False):
    picture = x = keras.layers.Input((8, 8, 3), name='input_1')
    for k, (name, filters) in enumerate(LAYERS):
        if name == 'block2_conv1':
            x = keras.layers.MaxPooling2D(2, name='block1_pool')(x)
        x = keras.layers.Conv2D(filters, 3, padding='same', activation='relu', name=name)(x)
    if with_top:
        x = keras.layers.Flatten(name='flatten')(x)
        x = keras.layers.Dense(3, name='predictions')(x)
    model = keras.Model(picture, x)
    for k, (name, filters) in enumerate(LAYERS):
        layer = model.get_layer(name)
        layer.set_weights([kernel(k, layer.kernel.shape), bias(k, filters)])
    return model


def published(file, model):
    """The layout of the files that Keras publishes, which Keras 1 wrote: datasets right in the layer's group."""
    names = [layer.name for layer in model.layers]
    file.attrs['layer_names'] = numpy.array([name.encode() for name in names])
    for layer in model.layers:
        group = file.create_group(layer.name)
        weights = layer.get_weights()
        own = [f'{layer.name}_{letter}_1:0'.encode() for letter, _ in zip('Wb', weights)]
        group.attrs['weight_names'] = numpy.array(own, dtype='S40') if own else numpy.zeros(0)
        yield from ((group, name.decode(), values) for name, values in zip(own, weights))


def npy_sha256(values):
    numpy.lib._format_impl.ARRAY_ALIGN = 16
    numpy.lib._format_impl.GROWTH_AXIS_MAX_DIGITS = 0
    file = io.BytesIO()
    numpy.lib.format.write_array(file, values, version=(1, 0))
    assert (len(file.getvalue()) - values.nbytes) % 16 == 0
    return hashlib.sha256(file.getvalue()).hexdigest()


def write(name, make, model):
    with h5py.File(OUT / name, 'w') as file:
        for group, dataset, values in published(file, model):
            make(group, dataset, values)


def main():
    keras.utils.set_random_seed(1)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    model, with_top = network(), network(with_top=True)
    write('published-notop.h5', lambda group, name, values: group.create_dataset(name, data=values), model)
    write('published-with-top.h5', lambda group, name, values: group.create_dataset(name, data=values), with_top)
    write(
        'compressed.h5',
        lambda group, name, values: group.create_dataset(name, data=values, chunks=True, compression='gzip'),
        model,
    )
    write('float16.h5', lambda group, name, values: group.create_dataset(name, data=values.astype('float16')), model)
    write('big-endian.h5', lambda group, name, values: group.create_dataset(name, data=values.astype('>f4')), model)
    with h5py.File(OUT / 'keras-save-weights.h5', 'w') as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    model.save(OUT / 'keras-whole-model.h5')
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'x.weights.h5'
        model.save_weights(path)
        shutil.copy(path, OUT / 'keras-3.h5')
    y, x, c = numpy.mgrid[:8, :8, :3]
    picture = ((31 * x + 17 * y + 59 * c) % 256)[..., ::-1] - numpy.array(MEAN)
    values, sums = [], []
    for name, _ in LAYERS:
        features = keras.Model(model.input, model.get_layer(name).output)(picture[None].astype('float32')).numpy()[0]
        for at in [(0, 0), (features.shape[0] - 1, features.shape[1] - 1), (2, 1)]:
            numbers = [float(value) for value in features[at][1:]]
            values.append({'layer': name, 'y': at[0], 'x': at[1], 'firstChannel': 1, 'values': numbers})
        sums.append({'layer': name, 'sum': float(features.sum(dtype='float64'))})
    npy = {}
    for name, _ in LAYERS:
        for kind, tensor in zip(['kernel', 'bias'], model.get_layer(name).get_weights()):
            npy[f'{name}/{kind}'] = npy_sha256(tensor)
    content = {'kerasVersion': keras.__version__, 'npySha256': npy, 'values': values, 'sums': sums}
    (OUT.parent / 'weights.json').write_text(json.dumps(content, indent=1) + '\n')


main()
