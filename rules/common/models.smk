# What the rules of models need, as functions of their wildcards.


def network_spec(wildcards):
    """What a model's weights depend on; which layers are studied and how the report calls it is not its affair."""
    return {key: value for key, value in model_spec(wildcards).items() if key not in ("layers", "label", "train", "top1")}


def named_layers(wildcards, output):
    """The layers of a network that the config names. Untracked: studying others is no reason to make a network anew."""
    kept = [layer if isinstance(layer, str) else layer["layer"] for layer in config["activations"]["keep"].get(wildcards.model, [])]
    return [*(model_spec(wildcards)["layers"] or []), *kept]


def training_source(wildcards):
    return model_spec(wildcards)["train"]["source"]


def recipe_of(model):
    return config["training"][config["models"][model]["train"]["recipe"]]


def training_recipe(wildcards):
    """What the weights depend on; how the training is cut into jobs changes none."""
    recipe = recipe_of(wildcards.model)
    return {key: value for key, value in recipe.items() if key != "epochs_per_job"}


def training_shards(wildcards):
    return stimulus_shards(training_source(wildcards))


def held_out_shards(wildcards):
    """The shards of the images on which the recipe looks after each epoch, if it does."""
    wanted = training_recipe(wildcards).get("validate")
    return stimulus_shards(wanted["source"], wanted["n_images"]) if wanted else []


def training_images(wildcards):
    """Images that a training job sees, each epoch anew."""
    first, last = training_epochs(wildcards)
    return (last - first) * source_spec(training_source(wildcards))["n_images"]


def training_epochs(wildcards):
    """The epochs that a training job runs: first, and the one at which it stops."""
    recipe = recipe_of(wildcards.model)
    length = recipe["epochs_per_job"] or recipe["epochs"]
    last = int(wildcards.get("epoch", recipe["epochs"]))
    return [(last - 1) // length * length, last]


def training_state(wildcards):
    """What the job before left, where a training is cut into several."""
    first, _ = training_epochs(wildcards)
    return f"results/models/{wildcards.model}/epoch-{first:04d}.safetensors" if first else []


def training_code(wildcards):
    return network_code("train_model.py", model_spec(wildcards))


def training_part_code(wildcards):
    return network_code("train_part.py", model_spec(wildcards))


def network_code(script, spec):
    """The digest of a script and of the code that builds the network, the user's own included; what is fetched is an input instead."""
    own = None if is_fetched(spec.get("python_path", "")) else user_code_digest(spec["architecture"], spec.get("python_path"))
    return code(script, spec["architecture"].partition(":")[0]) + (own or "")


def checkpoint_file(wildcards):
    """The checkpoint, and the files beside a user's that hold its tensors, where it is an index of these."""
    from robustlens.models.checkpoint_files import files_of

    weights = model_spec(wildcards)["weights"]
    return fetched(weights) if is_fetched(weights) else files_of(weights)


def package_folder(wildcards):
    """What is fetched of the code that builds the network; that of a user's folder is tracked by its digest, a folder's time means nothing."""
    path = model_spec(wildcards).get("python_path", "")
    return fetched(path) if is_fetched(path) else []


def side_of_clean():
    """Side in px of the images that a network will see; None where the study has no clean ones."""
    from robustlens.plan.image_sizes import size_of

    clean = config["sources"].get("clean")
    return size_of(clean)[0] if clean else None


def image_sizes(wildcards, output):
    """Height and width in px of the images that a network will see, by set. Untracked: another set is no reason to make a network anew."""
    from robustlens.plan.image_sizes import seen_sizes

    return seen_sizes(config, wildcards.model)


def clean_files(wildcards):
    """What is fetched of the clean images, which are read in place."""
    return fetched_files("clean")


def untracked(value):
    """A parameter that makes no job run again: Snakemake does not compare those of functions that take ``output``."""
    return lambda wildcards, output: value


def expected_accuracy(wildcards, output):
    """The same of the accuracy that the config expects."""
    return model_spec(wildcards).get("top1")


def verified_images():
    """Resource: how many images of clean a network that is brought is tried on."""
    n_images = source_spec("clean")["n_images"] if VERIFIED else 0
    return min(n_images, config["verification"]["n_images"] or n_images)


def import_code(wildcards):
    return network_code("import_model.py", model_spec(wildcards))
