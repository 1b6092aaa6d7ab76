# What the rules of ablation need, as functions of their wildcards.


def conflict_shard(wildcards):
    return f"results/stimuli/{CONFLICT}/shard-{wildcards.shard}.parquet"


def ablated_images(wildcards):
    """How many of the first ``ablation.n_images`` conflict images a shard holds."""
    return shard_images(CONFLICT, wildcards.shard, config["ablation"]["n_images"])


def ablation_shards(model):
    """The scores of a model's units, shard by shard; whoever reads them adds them up."""
    shards = shard_numbers(CONFLICT, config["ablation"]["n_images"])
    return [f"results/ablation/{model}/shard-{shard}.parquet" for shard in shards]


def of_both(path):
    """A function that gives this path, with ``{model}``, for the standard and the robust network of a pair."""
    return lambda wildcards: [path.format(model=config["pairs"][wildcards.pair][role]) for role in ("standard", "robust")]


def verified_pair(wildcards):
    """The same as verified_model for the two networks of a pair."""
    models = [config["pairs"][wildcards.pair][role] for role in ("standard", "robust")]
    return [f"results/models/{model}/verified.json" for model in models if model in VERIFIED]


def concept_units(wildcards):
    """Best concepts of the units of both networks, in the first concept set."""
    return of_both(f"results/neurons/{{model}}/{next(iter(config['concepts']))}/units.parquet")(wildcards)


def concept_stimuli(wildcards):
    """Stimuli of the concept ablation that have a shard of this number -> the classes among which each asks to decide."""
    names = CONCEPT_ABLATION["stimuli"]
    return {name: classes_of(name) for name in names if wildcards.shard in shard_numbers(name, CONCEPT_ABLATION["n_images"])}


def concept_stimulus_shards(wildcards):
    return [stimulus_shards(name)[int(wildcards.shard)] for name in concept_stimuli(wildcards)]


def concept_ablated(wildcards):
    """How many images of each of these shards are decided again, by stimulus."""
    return {name: shard_images(name, wildcards.shard, CONCEPT_ABLATION["n_images"]) for name in concept_stimuli(wildcards)}


def concept_ablated_images(wildcards):
    """Resource: the same, in all."""
    return sum(concept_ablated(wildcards).values())


def concept_ablation_shards():
    """Of every pair, as many shards as the stimulus with most has; nothing where the config asks for no concept ablation."""
    if not CONCEPT_ABLATION:
        return []
    shards = max((shard_numbers(name, CONCEPT_ABLATION["n_images"]) for name in CONCEPT_ABLATION["stimuli"]), key=len)
    return [f"results/concept_ablation/{pair}/shard-{shard}.parquet" for pair in ABLATED_PAIRS for shard in shards]


CONCEPT_ABLATION_TABLE = ["results/reports/tables/concept_ablation.csv"] if CONCEPT_ABLATION else []
