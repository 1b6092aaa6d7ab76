"""The names of the classes that a source's labels stand for, and the list of a study by what the config says of it."""

from unicodedata import normalize

from robustlens.class_names import LIST, check_unique, shown
from robustlens.errors import InputError
from robustlens.imagenet import SIXTEEN, classes
from robustlens.stimuli.cues import SHAPES
from robustlens.stimuli.image_folder import folder_names

OF_IMAGENET = ("imagenet", "imagenet-c")  # kinds whose classes are those of ImageNet
OF_SIXTEEN = ("cue-conflict", "sixteen-classes")


def own_names(spec: dict) -> list[str] | None:
    """The class names of a source in the order of its own labels, spelt in NFC; None where it has numbers alone.

    ``spec``: its entry in the config. Raises InputError for what is not there or cannot be read, and for one name of two classes.
    """
    names = _names(spec)
    if names is None:
        return None
    names = [normalize("NFC", name) for name in names]
    check_unique(spec.get("root", "classes"), names)
    return names


def _names(spec: dict) -> list[str] | None:
    match spec["kind"]:
        case "embedded":
            return list(SHAPES)
        case kind if kind in OF_IMAGENET:
            return classes()["wnid"].tolist()
        case kind if kind in OF_SIXTEEN:
            return list(SIXTEEN)
        case "image-folder" if is_by_folder(spec):
            return folder_names(spec["root"])
        case "cifar":
            from robustlens.cifar_files import read_names  # slow to import, and every job reads the config

            return read_names(spec["root"])
        case "parquet":
            from robustlens.stimuli.packed import label_names

            return label_names(spec["root"])
    return None


def is_by_folder(spec: dict) -> bool:
    """Whether a source's classes are the names of its folders, whatever these are."""
    return spec["kind"] == "image-folder" and spec.get("labels", "sorted") == "sorted"


def resolve(given: list[str] | dict | None) -> list[str] | None:
    """A list of classes by what the config says of it: the names themselves, or the entry of the source whose classes they are.

    Raises InputError for a source that numbers its classes, for folders that are numbers sorted as text, and for a name that stands twice.
    """
    if given is None:
        return None
    if isinstance(given, list):
        check_unique("classes", names := [normalize("NFC", name) for name in given])
        return names
    if (found := own_names(given)) is None:
        raise InputError(given["root"], "names of classes, by which the labels of other sources are found", "numbers", LIST)
    check_order(given, found)
    return found


def check_order(spec: dict, names: list[str]) -> None:
    """Raise InputError for folders that are numbers and stand in another order as text: 0, 1, 10, 2."""
    if is_by_folder(spec) and all(name.isascii() and name.isdecimal() for name in names) and names != sorted(names, key=int):
        asked = "class folders whose names say their order"
        found = f"numbers, whose order as text is another ({shown(names)})"
        raise InputError(spec["root"], asked, found, f"give the source `labels: number`, or {LIST}")
