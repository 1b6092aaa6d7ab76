"""The digest of the code behind a rule: what changes it and what does not."""

import json
import shutil
from pathlib import Path

import pytest

from robustlens.code_digest import KEPT, ROOT, _facts, _kept, code_digest, imports, user_code_digest
from robustlens.errors import InputError

TREE = {
    "script.py": "from robustlens.near import value\n\n\ndef main():\n    return value\n",
    "other.py": "import robustlens.apart\n",
    "robustlens/__init__.py": '"""Package."""\n',
    "robustlens/near.py": '"""Near."""\n\nfrom robustlens.deep.far import far\n\nvalue = 1  # one\n',
    "robustlens/apart.py": "value = 2\n",
    "robustlens/plugin.py": "from robustlens import late\n",
    "robustlens/late.py": "value = 5\n",
    "robustlens/near.html.j2": "<p>{{ value }}</p>\n",
    "robustlens/apart.html.j2": "<p>{{ value }}</p>\n",
    "robustlens/deep/__init__.py": "",
    "robustlens/deep/far.py": 'def far(x):\n    """Far."""\n    import robustlens.deep.farther as f\n\n    return f.value + x\n',
    "robustlens/deep/farther.py": "from .sibling import value\nfrom .. import above\n",
    "robustlens/deep/sibling.py": "value = 3\n",
    "robustlens/above.py": "value = 4\n",
    "elsewhere/near.py": "value = 1\n",
}


@pytest.fixture
def tree(tmp_path):
    """A function that writes the small tree, with other texts of some files, into a folder of its own."""

    def write(**files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in {**TREE, **files}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return write


def test_the_place_and_the_time_of_the_files_do_not_matter(tree):
    first, second = tree(), tree()
    (second / "script.py").touch()
    digest = code_digest("script.py", root=first)
    assert digest == code_digest("script.py", root=second)
    assert len(digest) == 16 and set(digest) <= set("0123456789abcdef")
    assert digest != code_digest("other.py", root=first)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("robustlens/near.py", "# A comment.\nfrom robustlens.deep.far import far\nvalue   =   1\n"),
        ("robustlens/near.py", '"""Other words,\n\non more lines."""\n\nfrom robustlens.deep.far import (\n    far,\n)\n\nvalue = (1)\n'),
        ("robustlens/deep/far.py", 'def far(x):\n    """Elsewhere."""\n    import robustlens.deep.farther as f\n    return f.value + x\n'),
        ("robustlens/__init__.py", ""),
        ("robustlens/apart.py", "value = 3\n"),
        ("robustlens/apart.html.j2", "<b>{{ value }}</b>\n"),
        ("elsewhere/near.py", "value = 2\n"),
        ("other.py", "value = 3\n"),
    ],
)
def test_what_changes_no_number_changes_no_digest(tree, file, text):
    assert code_digest("script.py", root=tree(**{file: text})) == code_digest("script.py", root=tree())


@pytest.mark.parametrize(
    "file",
    [
        "script.py",
        "robustlens/__init__.py",
        "robustlens/near.py",
        "robustlens/near.html.j2",  # the template of a module that is imported
        "robustlens/deep/__init__.py",
        "robustlens/deep/far.py",
        "robustlens/deep/farther.py",  # imported within a function
        "robustlens/deep/sibling.py",  # by a relative import
        "robustlens/above.py",
    ],
)
def test_an_edit_behind_the_script_changes_the_digest(tree, file):
    edited = tree(**{file: TREE[file] + "\nedited = True\n"})
    assert code_digest("script.py", root=edited) != code_digest("script.py", root=tree())


def test_a_string_that_is_no_docstring_counts(tree):
    texts = [TREE["robustlens/near.py"] + f'\nlabel = """{word}"""\n' for word in ("one", "two")]
    assert len({code_digest("script.py", root=tree(**{"robustlens/near.py": text})) for text in texts}) == 2


def test_a_module_of_the_same_name_does_not_take_anothers_place(tree):
    """The contents of two files exchanged: the same code, in other places."""
    swapped = tree(**{"robustlens/near.py": TREE["robustlens/above.py"], "robustlens/above.py": TREE["robustlens/near.py"]})
    assert code_digest("script.py", root=swapped) != code_digest("script.py", root=tree())


def test_modules_that_are_known_only_at_run_time(tree):
    plain, with_plugin = code_digest("script.py", root=tree()), code_digest("script.py", "robustlens.plugin", root=tree())
    assert plain != with_plugin
    edited = tree(**{"robustlens/late.py": "value = 6\n"})
    assert code_digest("script.py", root=edited) == plain
    assert code_digest("script.py", "robustlens.plugin", root=edited) != with_plugin
    assert code_digest("script.py", "torchvision.models", root=tree()) == plain  # of others: their version is pinned


def fresh_digest(root: Path) -> str:
    """As in another process, which knows only what is kept in the folder."""
    _facts.cache_clear()
    _kept.cache_clear()
    imports.cache_clear()
    return code_digest("script.py", root=root)


def test_what_is_kept_changes_no_digest(tree):
    folder = tree()
    first = fresh_digest(folder)
    assert (folder / KEPT).exists() and fresh_digest(folder) == first
    (folder / "robustlens/near.py").write_text(TREE["robustlens/near.py"] + "\nedited = True\n")
    edited = fresh_digest(folder)
    assert edited != first and fresh_digest(folder) == edited
    (folder / "robustlens/near.py").write_text(TREE["robustlens/near.py"])
    assert fresh_digest(folder) == first


def turn_a_digest(file: Path) -> None:
    """Of a file that was looked through: its text stays whole."""
    seal, _, found = file.read_text().partition("\n")
    _, code, _ = next(iter(json.loads(found).values()))
    file.write_text(f"{seal}\n{found.replace(code, code[::-1])}")


def be_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "damage", [turn_a_digest, be_a_folder, lambda file: file.write_bytes(b"{\xff"), lambda file: file.write_text("[]")]
)
def test_without_what_is_kept_nothing_is_lost(tree, damage):
    folder = tree()
    first = fresh_digest(folder)
    damage(folder / KEPT)
    assert fresh_digest(folder) == first


# -------------------------------------------------------------------------------------------------------------- this repository
NETWORKS = {"attack_images", "attack_and_sweep", "predict", "dump_activations", "ablate_units", "ablate_concepts"}
NETWORKS |= {"count_values", "tally_concepts", "compare_maps"}


@pytest.fixture(scope="module")
def scripts():
    """All but those whose rule tracks no code: one that writes nothing, and one that runs once for a network."""
    return sorted(path.name for path in ROOT.glob("*.py") if path.stem not in ("plan", "verify_model"))


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("neurons/total_variation.py", {"measure_filters", "measure_maps", "compare_maps", "add_maps"}),
        ("neurons/ablation.py", {"ablate_units", "ablate_concepts"}),
        ("neurons/dissection_tables.py", {"dissect", "add_tallies"}),
        ("stimuli/cifar.py", {"list_images", "sift_images"}),  # and nobody who reads its pictures
        ("models/training.py", {"train_model", "train_part"}),
        ("inference.py", NETWORKS),
        ("report/claims.py", {"judge_claims"}),
    ],
)
def test_an_edit_reaches_exactly_its_scripts(tmp_path, scripts, module, rules):
    shutil.copytree(ROOT, tmp_path / "copy")
    edited = tmp_path / "copy" / "robustlens" / module
    edited.write_text(edited.read_text() + "\n\nEDITED = True\n")
    changed = {Path(name).stem for name in scripts if code_digest(name, root=tmp_path / "copy") != code_digest(name)}
    assert changed == rules


def test_an_edit_to_a_kind_or_an_architecture_reaches_those_who_name_it(tmp_path, scripts):
    """The rules name the modules that are known only at run time: see ``stimulus_code`` and ``training_code``."""
    shutil.copytree(ROOT, tmp_path / "copy")
    for module in ("stimuli/silhouette", "models/miniature"):
        edited = tmp_path / "copy" / "robustlens" / f"{module}.py"
        edited.write_text(edited.read_text() + "\n\nEDITED = True\n")
    assert all(code_digest(name, root=tmp_path / "copy") == code_digest(name) for name in scripts)
    for script, name in (("make_stimulus.py", "robustlens.stimuli.silhouette"), ("train_model.py", "robustlens.models.miniature")):
        assert code_digest(script, name, root=tmp_path / "copy") != code_digest(script, name)


# -------------------------------------------------------------------------------------------------------------- code of the user's
@pytest.fixture
def package(tmp_path):
    """A folder with a factory's module, what it imports, and what it does not."""
    files = {
        "nets/__init__.py": "",
        "nets/factory.py": "import torch\nfrom .blocks import block\nfrom settings import width\ndef make():\n    pass\n",
        "nets/blocks.py": "def block():\n    return 1\n",
        "nets/unused.py": "",
        "settings.py": "width = 1\n",
    }
    for name, text in files.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    return tmp_path / "mine"


@pytest.mark.parametrize(
    ("file", "counts"),
    [("nets/__init__.py", True), ("nets/factory.py", True), ("nets/blocks.py", True), ("settings.py", True), ("nets/unused.py", False)],
)
def test_an_edit_to_what_a_users_factory_imports_counts(package, file, counts):
    before = user_code_digest("nets.factory:make", str(package))
    (package / file).write_text((package / file).read_text() + "\n# a comment\n")
    assert user_code_digest("nets.factory:make", str(package)) == before and before
    (package / file).write_text((package / file).read_text() + "\nEDITED = True\n")
    assert (user_code_digest("nets.factory:make", str(package)) != before) == counts


def test_a_package_that_is_installed_in_place_counts_and_others_do_not(package, monkeypatch):
    monkeypatch.syspath_prepend(str(package))
    before = user_code_digest("nets.factory:make", None)
    (package / "settings.py").write_text("width = 2\n")  # of another package
    assert user_code_digest("nets.factory:make", None) == before and before
    (package / "nets/blocks.py").write_text("def block():\n    return 2\n")
    assert user_code_digest("nets.factory:make", None) != before
    for architecture in ("resnet50", "timm:resnet50", "torchvision.models:resnet18", "robustlens.models.miniature:alexnet", "absent:make"):
        assert user_code_digest(architecture, None) is None


def test_a_users_file_that_is_no_python_is_named(package):
    (package / "nets/blocks.py").write_text("def block(:\n")
    with pytest.raises(InputError, match=r"nets/blocks.py: expected a Python module"):
        user_code_digest("nets.factory:make", str(package))
