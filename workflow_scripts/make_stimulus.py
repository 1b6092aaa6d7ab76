"""Make one shard of a stimulus from the same shard of its source."""

from robustlens.images import read_shard, write_shard
from robustlens.stimuli.make import make_stimulus, masks_after


def main(source_shard: str, stimulus_shard: str, *, stimulus: dict, seed: int) -> None:
    """``stimulus``: its entry in the config; ``source`` and ``preserves`` are for the rules and the report."""
    shard = read_shard(source_shard)
    kind = stimulus["kind"]
    parameters = {name: value for name, value in stimulus.items() if name not in ("kind", "source", "preserves")}
    origin = {"kind": kind, **parameters, "seed": seed, "made_from": shard.origin}
    pixels = make_stimulus(kind, shard, seed, **parameters)
    write_shard(stimulus_shard, shard.rows, pixels=pixels, masks=masks_after(kind, shard), origin=origin)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
