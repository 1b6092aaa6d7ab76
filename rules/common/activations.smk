# What the rules of activations and of the statistics from them (stored.smk, streamed.smk) need, as functions of their wildcards.


def dumped_images(wildcards):
    """How many images of an image set are dumped: all of a concept set, the first ``activations.n_images`` of a stimulus."""
    return None if wildcards.image_set in config["concepts"] else config["activations"]["n_images"]


def images_to_dump(wildcards):
    return shard_images(wildcards.image_set, wildcards.shard, dumped_images(wildcards))


def layers_to_dump(wildcards):
    """Layers whose activations are stored: those studied; where statistics need no store, those that the config keeps."""
    kept = config["activations"]["keep"].get(wildcards.model) if STREAMED else None
    return kept or model_spec(wildcards)["layers"]


def scaling_of(wildcards):
    """What a network sees of an image set whose activations are taken; only concept images are ever scaled in another way than its own."""
    if wildcards.get("concept_set", wildcards.get("image_set")) not in config["concepts"] or config["dissection"]["scaling"] == "own":
        return "own"
    return "lite-twice" if wildcards.model in config["dissection"]["scaled_twice"] else "lite"


def dumped_shards(wildcards):
    return [
        f"results/activations/{wildcards.model}/{wildcards.image_set}/shard-{shard}.h5"
        for shard in shard_numbers(wildcards.image_set, dumped_images(wildcards))
    ]


def dumped_manifest(wildcards):
    return f"results/stimuli/{source_of(wildcards.image_set)}/manifest.parquet"


def noisy_activations(wildcards):
    return f"results/activations/{wildcards.model}/{NOISE}/view.h5"


def counted_values(wildcards):
    return [f"results/counts/{wildcards.model}/{wildcards.concept_set}/values-{n}.h5" for n in shard_numbers(wildcards.concept_set)]


def tallied_concepts(wildcards):
    return [f"results/counts/{wildcards.model}/{wildcards.concept_set}/tallies-{n}.h5" for n in shard_numbers(wildcards.concept_set)]


def compared_maps(wildcards):
    return [f"results/counts/{wildcards.model}/clean/maps-{n}.h5" for n in shard_numbers("clean", config["activations"]["n_images"])]


def compared_images(wildcards):
    return shard_images("clean", wildcards.shard, config["activations"]["n_images"])
