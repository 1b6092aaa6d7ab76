# What the rules of attacks and predictions need, as functions of their wildcards.


def suite_classes(wildcards):
    """Among which classes is decided, for each stimulus of a suite."""
    return {name: classes_of(name) for name in suite_members(wildcards)}


def attack_spec(wildcards):
    return {key: value for key, value in config["attacks"][wildcards.attack].items() if key != "source"}


def attacked_shard(wildcards):
    return f"results/stimuli/{source_of(wildcards.attack)}/shard-{wildcards.shard}.parquet"


SWEPT = config["robustness"]["attack"] or "none"
SWEPT_SHARDS = shard_numbers(SWEPT, config["robustness"]["n_images"]) if config["robustness"]["attack"] else []


def swept_attack(wildcards):
    return {key: value for key, value in config["attacks"][SWEPT].items() if key != "source"}


def swept_shard(wildcards):
    return f"results/stimuli/{source_of(SWEPT)}/shard-{wildcards.shard}.parquet"


def swept_shard_images(wildcards):
    """Resource: how many images a shard holds, all of which are attacked."""
    return shard_images(SWEPT, wildcards.shard)


def swept_images(wildcards):
    """How many of the first ``robustness.n_images`` images a shard holds."""
    return shard_images(SWEPT, wildcards.shard, config["robustness"]["n_images"])


def swept_shards():
    """Of every network that is no control; nothing where the config asks for no sweep."""
    return [f"results/robustness/{model}/shard-{shard}.parquet" for model in STUDIED for shard in SWEPT_SHARDS]


def suite_members(wildcards):
    """The stimuli of a suite that have a shard of this number."""
    return [name for name in config["suites"][wildcards.suite] if wildcards.shard in shard_numbers(name)]


def suite_shards(wildcards):
    return [stimulus_shards(name, model=wildcards.model)[int(wildcards.shard)] for name in suite_members(wildcards)]


def predicted_images(wildcards):
    return sum(shard_images(name, wildcards.shard) for name in suite_members(wildcards))


def prediction_shards(model):
    return [
        f"results/predictions/{model}/{suite}/shard-{shard}.parquet"
        for suite, members in config["suites"].items()
        for shard in max((shard_numbers(name) for name in members), key=len)
    ]
