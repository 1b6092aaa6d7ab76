"""What every module of one network gives, and which of them are its layers by default (rule list_layers)."""

import pandas as pd

from robustlens.files import replacing
from robustlens.models.layers import default_layers, trace_pass
from robustlens.models.registry import load_model

SIDE = 224  # px, of ImageNet's pictures, for a study that has no clean images


def main(weights: str, card: str, table: str, *, layers: list[str] | None, input_size: int | None) -> None:
    """Write ``table``, one row a module that gives maps, tokens or a vector, in the order of the forward pass (docs/data.md).

    ``layers``: those that the config names, or None; ``input_size``: side of the images in px, None for 224.
    """
    model, side = load_model(weights, card, "cpu"), input_size or SIDE
    network, found = model.network, default_layers(model.network, model.card["architecture"], side)
    trace, modules = trace_pass(network, side), dict(network.named_modules())
    rows = [
        {
            **{"model": model.card["model"], "layer": name, "module": type(modules[name]).__name__},
            **{"output": layout.kind, "n_units": layout.n_units, "height": layout.height, "width": layout.width},
            **{"runs": trace.runs[name], "carries_all": int(trace.carries_all(name))},
            **{"default": int(name in found), "studied": int(name in (layers or found))},
        }
        for name in dict.fromkeys(trace.order)
        if name and (layout := trace.layouts[name])
    ]
    with replacing(table) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
