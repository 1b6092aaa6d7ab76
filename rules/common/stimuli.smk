# What the rules of stimuli and concept sets need, as functions of their wildcards.


def of_source(wildcards):
    return source_spec(wildcards.source)


def class_list(wildcards):
    """In which list the class names of a source are found, None for its own."""
    return list_for(config, wildcards.source)


def shard_number(wildcards):
    return int(wildcards.shard)


def shard_size(wildcards):
    return images_per_shard(wildcards.get("source", wildcards.get("concept_set")))


def source_shard(wildcards):
    return f"results/stimuli/{source_of(wildcards.stimulus)}/shard-{wildcards.shard}.parquet"


def texture_shards(wildcards):
    """All shards of the source, where each image is given the texture of another one."""
    return stimulus_shards(source_of(wildcards.stimulus)) if wildcards.stimulus in PARTNERED else []


def stimulus_files(wildcards):
    """The weights and folders that the manipulation reads; of a folder of the user's the time means nothing."""
    paths = [path for key, path in config["stimuli"][wildcards.stimulus].items() if key in FILES]
    return [fetched(path) for path in paths if is_fetched(path) or Path(path).is_file()]


def needs_a_device(spec):
    """Whether a stimulus is computed in batches, which a GPU does faster."""
    return spec["kind"] in ("corruption", "adain") or spec.get("engine") == "adain" or spec.get("masks") == "segmenter"


ON_DEVICE = [name for name, spec in config["stimuli"].items() if needs_a_device(spec)]


def stimulus_spec(wildcards):
    """What the manipulation depends on; where it comes from and how the report groups it is not its affair."""
    spec = config["stimuli"][wildcards.stimulus]
    exclude = {"exclude": True} if config["on_bad_image"] == "exclude" and {"paintings", "folder"} & set(spec) else {}
    return {key: value for key, value in spec.items() if key not in ("source", "preserves")} | exclude


def stimulus_code(wildcards):
    return code("make_stimulus.py", f"robustlens.stimuli.{stimulus_spec(wildcards)['kind'].replace('-', '_')}")


def concept_spec(wildcards):
    return config["concepts"][wildcards.concept_set]


def first_images(wildcards):
    """Resource: how many images the first shard of a source holds."""
    return min(shard_size(wildcards), source_images(wildcards))


def source_images(wildcards):
    return of_source(wildcards)["n_images"]


def concept_images(wildcards):
    return concept_spec(wildcards)["n_images"]


def broden_folder(wildcards):
    if wildcards.concept_set in RENDERED_CONCEPTS:
        return f"results/concepts/{wildcards.concept_set}/broden"
    return concept_spec(wildcards)["root"]


def broden_files(wildcards):
    """The same, or the download that it is part of."""
    return fetched(broden_folder(wildcards))


def source_folder(wildcards):
    return fetched_files(wildcards.source)
