"""Make one shard of a stimulus from the same shard of its source."""

from robustlens.images import read_shard
from robustlens.stimuli.made import FEW, write_made
from robustlens.stimuli.make import make_stimulus


def main(source_shard: str, textures: list[str], stimulus_shard: str, *, stimulus: dict, seed: int, device: str, batch_size: int) -> None:
    """``stimulus``: its entry in the config; ``source`` and ``preserves`` are for the rules and the report.

    ``textures``: all shards of the source, where each image is given the texture of another one.
    """
    shard = read_shard(source_shard)
    kind = stimulus["kind"]
    parameters = {name: value for name, value in stimulus.items() if name not in ("kind", "source", "preserves")}
    origin = {"kind": kind, **parameters, "seed": seed, "made_from": shard.origin}
    made = make_stimulus(kind, shard, seed, textures=textures, device=device, batch_size=batch_size, **parameters)
    partial = stimulus.get("masks") in ("segmenter", "grabcut") or "mask_values" in stimulus  # one class may have no object that they know
    write_made(stimulus_shard, shard.rows, made, origin=origin, classes=shard.classes, few=None if partial else FEW)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
