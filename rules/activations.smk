# NEEDS  results/stimuli/{image_set}/shard-{shard}.parquet, results/models/{model}/
# MAKES  results/activations/{model}/{image_set}/shard-{shard}.h5
#        results/activations/{model}/{image_set}/view.h5               the shards as one, by virtual datasets


include: "common/activations.smk"


rule dump_activations:
    """Activations of one model on one shard of an image set."""
    input:
        ancient(verified_model),
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/card.json",
        shard="results/stimuli/{image_set}/shard-{shard}.parquet",
    output:
        activations="results/activations/{model}/{image_set}/shard-{shard}.h5",
    log:
        "logs/dump_activations/{model}_{image_set}_{shard}.log",
    benchmark:
        "benchmarks/dump_activations/{model}_{image_set}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=images_to_dump,
    params:
        image_set="{image_set}",
        layers=layers_to_dump,
        n_images=images_to_dump,
        compression=config["activations"]["compression"],
        scaling=scaling_of,
        code=code("dump_activations.py"),
    script:
        "../workflow_scripts/dump_activations.py"


rule link_activations:
    """A view of all shards as one file, checked against the manifest."""
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
