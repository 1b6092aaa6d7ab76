"""The unit explorer with a layer of ResNet-50, made up: its size has a bound, and it opens. How fast: bench/explorer.py."""

import sys

from runs import REPOSITORY

sys.path.append(str(REPOSITORY / "bench"))
import explorer as bench  # noqa: E402 (from bench/)

N_UNITS, N_IMAGES = 2048, 300
BYTES = {"unit": 700, "image": 6000}  # at most, as docs/design.md says; of a layer of 7 x 7 cells


def test_two_networks_of_2048_units(tmp_path):
    site = bench.make_site(tmp_path, {"layer4": (N_UNITS, 7)}, N_IMAGES, 60)
    assert bench.size_of(site / "layers") < 2 * N_UNITS * BYTES["unit"]
    assert bench.size_of(site / "sheets") < N_IMAGES * BYTES["image"]
    assert bench.size_of(site) < 6e6
    address = f"#{bench.PAIR['robust']}/layer4/{N_UNITS - 1}"
    bench.seconds_to_open(site / "units.html", address, tmp_path / "browser")  # fails where it does not draw the unit, or complains
