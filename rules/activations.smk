# NEEDS  results/stimuli/{image_set}/shard-{shard}.parquet, results/models/{model}/
# MAKES  results/activations/{model}/{image_set}/shard-{shard}.h5
#        results/activations/{model}/{image_set}/view.h5               the shards as one, by virtual datasets


include: "common/activations.smk"


rule dump_activations:
    """Activations of one model on one shard of every image set, for as many shards as all of them have."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shards=expand("results/stimuli/{image_set}/shard-{{shard}}.parquet", image_set=IMAGE_SETS),
    output:
        activations=expand("results/activations/{{model}}/{image_set}/shard-{{shard}}.h5", image_set=IMAGE_SETS or "none"),
    log:
        "logs/dump_activations/{model}_{shard}.log",
    benchmark:
        "benchmarks/dump_activations/{model}_{shard}.tsv"
    wildcard_constraints:
        model=one_of(STUDIED),
        shard=one_of(COMMON_SHARDS),
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=images_of_all_sets,
    params:
        image_sets=sets_to_dump,
        layers=layers_to_dump,
        compression=config["activations"]["compression"],
        code=code("dump_activations.py"),
    script:
        "../workflow_scripts/dump_activations.py"


rule dump_image_set:
    """The same of one image set: of shards that not all sets have, and of controls, which are seen concept images alone."""
    input:
        verified_model,
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shards=["results/stimuli/{image_set}/shard-{shard}.parquet"],
    output:
        activations=["results/activations/{model}/{image_set}/shard-{shard}.h5"],
    log:
        "logs/dump_image_set/{model}_{image_set}_{shard}.log",
    benchmark:
        "benchmarks/dump_image_set/{model}_{image_set}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=images_to_dump,
    params:
        image_sets=sets_to_dump,
        layers=layers_to_dump,
        compression=config["activations"]["compression"],
        code=code("dump_activations.py"),
    script:
        "../workflow_scripts/dump_activations.py"


ruleorder: dump_activations > dump_image_set


rule link_activations:
    """A view of all shards as one file, checked against the manifest; for readers, no other rule needs it."""
    input:
        manifest=dumped_manifest,
        shards=dumped_shards,
    output:
        view="results/activations/{model}/{image_set}/view.h5",
    log:
        "logs/link_activations/{model}_{image_set}.log",
    benchmark:
        "benchmarks/link_activations/{model}_{image_set}.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        n_images=dumped_images,
        code=code("link_activations.py"),
    script:
        "../workflow_scripts/link_activations.py"
