# What the rules of attacks and predictions need, as functions of their wildcards.


def suite_classes(wildcards):
    """Among which classes is decided, for each stimulus of a suite."""
    return {name: classes_of(name) for name in suite_members(wildcards)}


def attack_spec(wildcards):
    return {key: value for key, value in config["attacks"][wildcards.attack].items() if key != "source"}


def attacked_shard(wildcards):
    return f"results/stimuli/{source_of(wildcards.attack)}/shard-{wildcards.shard}.parquet"


def traced_attack(wildcards):
    attack = config["attacks"][config["robustness"]["attack"]]
    return {key: value for key, value in attack.items() if key != "source"}


def traced_shard(wildcards):
    return f"results/stimuli/{source_of(config['robustness']['attack'])}/shard-{wildcards.shard}.parquet"


def traced_images(wildcards):
    """How many of the first ``robustness.n_images`` images a shard holds."""
    return shard_images(config["robustness"]["attack"], wildcards.shard, config["robustness"]["n_images"])


def traced_shards():
    """Of every network that is no control; nothing where the config asks for no curve."""
    if not config["robustness"]["attack"]:
        return []
    shards = shard_numbers(config["robustness"]["attack"], config["robustness"]["n_images"])
    return [f"results/robustness/{model}/shard-{shard}.parquet" for model in STUDIED for shard in shards]


def suite_members(wildcards):
    """The stimuli of a suite that have a shard of this number."""
    return [name for name in config["suites"][wildcards.suite] if wildcards.shard in shard_numbers(name)]


def suite_shards(wildcards):
    return [stimulus_shards(name, model=wildcards.model)[int(wildcards.shard)] for name in suite_members(wildcards)]


def predicted_images(wildcards):
    return sum(shard_images(name, wildcards.shard) for name in suite_members(wildcards))


def prediction_shards(wildcards):
    return [
        f"results/predictions/{wildcards.model}/{suite}/shard-{shard}.parquet"
        for suite, members in config["suites"].items()
        for shard in max((shard_numbers(name) for name in members), key=len)
    ]
