# What the rules of activations and of the statistics from them (stored.smk, streamed.smk) need, as functions of their wildcards.


def n_dumped(image_set):
    """How many images of an image set are dumped: all of a concept set (None), the first ``activations.n_images`` of a stimulus."""
    return None if image_set in config["concepts"] else config["activations"]["n_images"]


def dumped_images(wildcards):
    return n_dumped(wildcards.image_set)


COMMON_SHARDS = min((shard_numbers(name, n_dumped(name)) for name in IMAGE_SETS), key=len, default=[])


def images_to_dump(wildcards):
    return shard_images(wildcards.image_set, wildcards.shard, dumped_images(wildcards))


def images_of_all_sets(wildcards):
    """Resource: how many images of all sets a shard of this number holds."""
    return sum(shard_images(name, wildcards.shard, n_dumped(name)) for name in IMAGE_SETS)


def sets_to_dump(wildcards):
    """Image set -> how many images of its shard are dumped, and how they are scaled, of the sets whose activations a job takes."""
    names = [wildcards.image_set] if "image_set" in wildcards.keys() else IMAGE_SETS
    return {
        name: {"n_images": shard_images(name, wildcards.shard, n_dumped(name)), "scaling": scaling_of_set(name, wildcards.model)}
        for name in names
    }


def layers_to_dump(wildcards):
    """Layers whose activations are stored: those studied; where statistics need no store, those that the config keeps."""
    kept = config["activations"]["keep"].get(wildcards.model) if STREAMED else None
    return kept or model_spec(wildcards)["layers"]


def scaling_of(wildcards):
    """What a network sees of an image set whose activations are taken; only concept images are ever scaled in another way than its own."""
    return scaling_of_set(wildcards.concept_set, wildcards.model)


def scaling_of_set(image_set, model):
    """The same of an image set."""
    if image_set not in config["concepts"] or config["dissection"]["scaling"] == "own":
        return "own"
    return "lite-twice" if model in config["dissection"]["scaled_twice"] else "lite"


def activation_shards(model, image_set, n_images=None):
    return [f"results/activations/{model}/{image_set}/shard-{shard}.h5" for shard in shard_numbers(image_set, n_images)]


def dumped_shards(wildcards):
    return activation_shards(wildcards.model, wildcards.image_set, dumped_images(wildcards))


def concept_activations(wildcards):
    return activation_shards(wildcards.model, wildcards.concept_set)


def clean_activations(wildcards):
    return activation_shards(wildcards.model, "clean", config["activations"]["n_images"])


def dumped_manifest(wildcards):
    return f"results/stimuli/{source_of(wildcards.image_set)}/manifest.parquet"


def noisy_activations(wildcards):
    return activation_shards(wildcards.model, NOISE, config["activations"]["n_images"])


def counted_values(wildcards):
    return [f"results/counts/{wildcards.model}/{wildcards.concept_set}/values-{n}.h5" for n in shard_numbers(wildcards.concept_set)]


def tallied_concepts(wildcards):
    return [f"results/counts/{wildcards.model}/{wildcards.concept_set}/tallies-{n}.h5" for n in shard_numbers(wildcards.concept_set)]


def compared_maps(wildcards):
    return [f"results/counts/{wildcards.model}/clean/maps-{n}.h5" for n in shard_numbers("clean", config["activations"]["n_images"])]


def compared_images(wildcards):
    return shard_images("clean", wildcards.shard, config["activations"]["n_images"])
