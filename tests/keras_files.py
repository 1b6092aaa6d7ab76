"""A network of the module names of torchvision's ResNet, written as TensorFlow.js writes a ResNet of Keras."""

import json

import numpy as np

ROLES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def keras_name(module):
    if "." not in module:
        return {"conv1": "conv1", "bn1": "bn_conv1", "fc": "fc1000"}[module]
    stage, _, place = module.split(".", 2)
    branch = "1" if "downsample" in place else f"2{'abc'[int(place[-1]) - 1]}"
    kind = "bn" if place in ("bn1", "bn2", "bn3", "downsample.1") else "res"
    return f"{kind}{int(stage[-1]) + 1}a_branch{branch}"


def arrays_of(network):
    """The arrays of a network by Keras' names, in Keras' order of axes, written down from its documentation."""
    arrays = {}
    for name, tensor in network.state_dict().items():
        module, role = name.rsplit(".", 1)
        values, keras = tensor.numpy(), keras_name(module)
        if role == "num_batches_tracked":
            continue
        if keras.startswith("bn"):
            arrays[f"{keras}/{ROLES[role]}"] = values
        else:
            order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[values.ndim]
            arrays[f"{keras}/{'kernel' if role == 'weight' else 'bias'}"] = values.transpose(order)
    return arrays


def write(folder, arrays, shard=40_000_000):
    data = b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays.values())
    paths = [f"group1-shard{number}.bin" for number in range(-(-len(data) // shard))]
    for number, name in enumerate(paths):
        (folder / name).write_bytes(data[number * shard : (number + 1) * shard])
    weights = [{"name": name, "shape": list(array.shape), "dtype": "float32"} for name, array in arrays.items()]
    write_json(folder, paths, weights)
    return folder / "model.json"


def write_json(folder, paths, weights):
    (folder / "model.json").write_text(json.dumps({"modelTopology": {}, "weightsManifest": [{"paths": paths, "weights": weights}]}))
