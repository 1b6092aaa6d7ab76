"""What runs again after an edit: exactly the rules whose numbers the edit can change, and nothing after a touch or a clone."""

import pytest

from runs import jobs, snakemake, write_study

REPORT = {"draw_figures", "write_page", "all"}
UNITS = {"tabulate_units", "judge_claims", *REPORT}
DUMPED = {"dump_activations", "dump_image_set", "measure_maps", "dissect", "count_concepts"}
BEHAVIOUR = {"predict", "gather_predictions", "tabulate_behaviour", "judge_claims", *REPORT}


def edit(path, old="", new="\n\nEDITED = True\n"):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else text + new)


def test_a_finished_study_has_nothing_to_do(tiny_study):
    assert jobs(tiny_study) == {}
    assert "Nothing to be done" in (done := snakemake(tiny_study)).stdout + done.stderr


def test_a_fresh_clone_runs_nothing(tiny_study, clone):
    assert jobs(tiny_study, repository=clone) == {}


def test_comments_and_docstrings_run_nothing(tiny_study, clone):
    library = clone / "workflow_scripts/robustlens"
    edit(library / "neurons/complexity.py", new="\n# a comment\n")
    edit(library / "neurons/dissection.py", '"""', '"""In other words. ')
    assert jobs(tiny_study, repository=clone) == {}


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("neurons/complexity.py", {"count_concepts", *UNITS}),
        ("neurons/total_variation.py", {"measure_filters", "measure_maps", *UNITS}),
        ("neurons/dissection.py", {"dissect", "count_concepts", *UNITS}),
        ("neurons/top_images.py", {"measure_maps", *UNITS}),
        ("neurons/ablation.py", {"ablate_units", *UNITS}),
        ("stimuli/silhouette.py", {"make_stimulus", *BEHAVIOUR}),
        ("report/claims.py", {"judge_claims", "write_page", "all"}),
        ("report/page.py", {"write_page", "all"}),
        ("concepts.py", {"pack_concepts", "index_concepts", *DUMPED, *UNITS}),
    ],
)
def test_an_edited_module_runs_its_rules(tiny_study, clone, file, rules):
    edit(clone / "workflow_scripts/robustlens" / file)
    assert set(jobs(tiny_study, repository=clone)) == rules


def test_an_edited_script_runs_its_rule(tiny_study, clone):
    edit(clone / "workflow_scripts/measure_maps.py")
    assert set(jobs(tiny_study, repository=clone)) == {"measure_maps", *UNITS}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"complexity__curve": [0.02]}, {"count_concepts", *UNITS}),
        ({"dissection__quantile": 0.01}, {"dissect", "count_concepts", *UNITS}),
        ({"stimuli__scrambled-2__permutation": "shared"}, {"make_stimulus", *BEHAVIOUR}),
        ({"attacks__pgd-2__eps": 1.0}, {"attack_images", "attack_and_sweep", *BEHAVIOUR}),
        ({"robustness__eps": [0.5]}, {"attack_and_sweep", *BEHAVIOUR}),
        ({"ablation__n_images": 20}, {"ablate_units", *UNITS}),
        ({"top_images": 3}, {"measure_maps", *UNITS}),
        ({"statistics__resamples": 300}, {*UNITS, "tabulate_behaviour"}),
        ({"stimuli__silhouette__preserves": "both"}, REPORT),
        ({"training__standard__epochs_per_job": 5}, REPORT),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_changed_parameter_runs_what_depends_on_it(tiny_study, tmp_path, change, rules):
    assert set(jobs(tiny_study, config=write_study(tmp_path / "study.yaml", **change))) == rules


def test_one_changed_stimulus_is_made_alone(tiny_study, tmp_path):
    study = write_study(tmp_path / "study.yaml", **{"stimuli__scrambled-2__grid": 4})
    assert jobs(tiny_study, config=study)["make_stimulus"] == 2  # its shards, of 6


def test_another_machine_runs_nothing(tiny_study):
    assert jobs(tiny_study, "--set-resources", "predict:batch_size=7", "ablate_units:device=cuda", "--set-threads", "predict=2") == {}


def test_another_number_of_images_runs_the_shards_that_it_cuts(tiny_study, tmp_path):
    study = write_study(tmp_path / "study.yaml", ablation__n_images=36)  # of shards of 30 images
    assert jobs(tiny_study, config=study)["ablate_units"] == 2  # the second shard of either network
