"""Activation files: one HDF5 dataset a layer, float16, one writer a shard, and views over shards. Contract: docs/data.md.

Attributes are JSON text, so that lists and mappings come back as they went in. A file gets its name only when it is complete.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING

import h5py
import numpy as np

from robustlens.errors import InputError, refusing
from robustlens.files import early_to_disk
from robustlens.hdf5 import CHECKED, REMAKE, open_hdf5, write_values, writing_hdf5
from robustlens.manifest import check_exactly_once

if TYPE_CHECKING:
    from robustlens.host_copies import HostCopy

FORMAT = "robustlens-activations-1"
IDENTITY = ("model", "image_set", "weights_sha256", "preprocessing")  # what the shards of one view have in common
HEAD = (*IDENTITY, "layers", "image_list_sha256")  # attributes that activation files and counts have
LARGEST = 65504.0  # of float16
CHUNK_BYTES = 4_000_000
BLOCK_BYTES = 32_000_000
AHEAD = 2  # values of a layer that wait to be written
COMPRESSION = {
    "none": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
}


# ------------------------------------------------------------------------------------------------------------------- writing
class ActivationWriter:
    """Context manager that writes the activations of one network on one shard of images.

    ``layers``: name -> (n_units, height, width), in order. ``attributes``: what JSON can hold; ``model, image_set,
    weights_sha256, preprocessing`` must be there, ``format, layers, image_list_sha256`` are added. ``compression``: ``none, lzf,
    gzip``. The file appears under ``path`` when the context ends well and every row of every layer was written once.

    A thread writes while the next values are computed; at most ``AHEAD`` of them wait for it. Its error is raised by the next call.
    """

    def __init__(self, path: str | Path, image_ids: list[str], layers: dict[str, tuple[int, int, int]], attributes: dict, compression: str):
        self.path, self.image_ids = Path(path), list(image_ids)
        if not self.image_ids or not layers or "image_id" in layers:
            raise InputError(path, "images and layers (none named image_id)", f"{len(self.image_ids)} images, layers {list(layers)}")
        if compression not in COMPRESSION:
            raise InputError("activations.compression", ", ".join(COMPRESSION), compression)
        missing = [key for key in IDENTITY if key not in attributes]
        if missing:
            raise InputError(path, f"the attributes {', '.join(IDENTITY)}", f"no {', '.join(missing)}")
        names = {"format": FORMAT, "layers": list(layers), "image_list_sha256": image_list_sha256(self.image_ids)}
        self._attributes, self._layers, self._compression = {**attributes, **names}, layers, COMPRESSION[compression]
        self._written = {layer: np.zeros(len(self.image_ids), bool) for layer in layers}
        self._closing = ExitStack()

    def __enter__(self) -> "ActivationWriter":
        self._file = self._closing.enter_context(writing_hdf5(self.path, self._attributes))
        self._on_disk = self._closing.enter_context(early_to_disk(self._file.id.get_vfd_handle()))
        write_values(self._file, "image_id", np.array(self.image_ids))
        n_images = len(self.image_ids)
        for layer, shape in self._layers.items():
            chunks = (images_per_chunk(n_images, shape), *shape)
            options = {"chunks": chunks, "fill_time": "never", **CHECKED, **self._compression}
            self._file.create_dataset(layer, (n_images, *shape), np.float16, **options)
        self._waiting: Queue = Queue(AHEAD)
        self._error: BaseException | None = None
        self._rooms: dict[str, np.ndarray] = {}
        self._begun: dict[str, tuple[int, int]] = {}  # of a layer: the rows of a chunk that are gathered
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def write(self, layer: str, start_row: int, values: "np.ndarray | HostCopy", *, checked: bool = False) -> None:
        """Store ``values``, float32 or float16 [n_images, n_units, height, width], as rows ``start_row`` and following of ``layer``.

        They must not be changed afterwards; they may still be on their way from a GPU. ``checked``: float16 is known to hold them.

        Raises InputError for a value that float16 cannot hold (NaN, infinite, beyond +-65504), for a shape that is not the
        layer's and for a row that was already written.
        """
        rows = slice(start_row, start_row + len(values))
        if values.shape[1:] != tuple(self._layers[layer]) or rows.stop > len(self.image_ids) or start_row < 0:
            room = f"at most {len(self.image_ids)} rows of {tuple(self._layers[layer])}"
            raise InputError(self._where(layer), room, f"{values.shape} at row {start_row}")
        if self._written[layer][rows].any():
            raise InputError(self._where(layer), "every image once", f"rows {rows.start} to {rows.stop - 1} again")
        if len(values) and not checked:
            here = values if isinstance(values, np.ndarray) else values.wait()
            if not _fits(here):
                refuse_values(self._attributes["model"], layer, self.image_ids[rows], here)
        self._written[layer][rows] = True
        self._waiting.put((layer, rows, values))
        if self._error:
            raise self._error

    def _work(self) -> None:
        """Write what waits until the end is told; after an error only empty the queue, so that nobody waits for it."""
        while (item := self._waiting.get()) is not None:
            layer, rows, values = item
            try:
                if not self._error:
                    self._store(layer, rows, values if isinstance(values, np.ndarray) else values.wait())
            except BaseException as error:
                self._error = error
            finally:
                if not isinstance(values, np.ndarray):
                    values.release()

    def _store(self, layer: str, rows: slice, values: np.ndarray) -> None:
        """Cut into chunks; of one that is not whole yet, its parts are gathered."""
        from robustlens.compiled import contiguous  # compiled code, which only this writer needs

        values, length, start = np.asarray(values, np.float16), self._file[layer].chunks[0], rows.start
        while start < rows.stop:
            stop = min(start - start % length + length, rows.stop)
            piece, whole = values[start - rows.start : stop - rows.start], stop - start == length
            room = self._room("" if whole else layer, layer)  # a whole one in a room that stays in the processor's cache
            first, end = (start, start) if whole else self._begun.pop(layer, (start, start))
            if end != start:  # another place than was begun
                self._put(layer, first, end, room)
                first = start
            contiguous(piece, room[(start - first) * piece[0].size :])
            if stop % length:
                self._begun[layer] = first, stop
            else:
                self._put(layer, first, stop, room)
            start = stop

    def _room(self, name: str, layer: str) -> np.ndarray:
        """float16 with room for a chunk of a layer and its checksum; the same for the same name."""
        size = int(np.prod(self._file[layer].chunks)) + 2
        if name not in self._rooms or self._rooms[name].size < size:
            self._rooms[name] = np.empty(size, np.float16)
        return self._rooms[name][:size]

    def _put(self, layer: str, start: int, stop: int, room: np.ndarray) -> None:
        """Write the values at the beginning of ``room`` as rows; whole chunks past HDF5's cache, with the checksum that it would add."""
        from robustlens.compiled import fletcher32

        dataset = self._file[layer]
        shape = (stop - start, *dataset.shape[1:])
        size, length = int(np.prod(shape)), dataset.chunks[0]
        if self._compression or start % length or not (stop % length == 0 or stop == len(dataset)):
            dataset[start:stop] = room[:size].reshape(shape)
        else:
            room[size:-2] = 0  # behind the last image
            words = room.view("<u2")
            checksum = fletcher32(words[:-2])
            words[-2:] = checksum & 0xFFFF, checksum >> 16
            dataset.id.write_direct_chunk((start, 0, 0, 0), words)
        self._on_disk(2 * size)

    def __exit__(self, kind, error, trace) -> None:
        self._waiting.put(None)
        self._thread.join()
        with self._closing:
            if error := error or self._error:
                raise error  # within, so that the file goes
            for layer, (first, end) in self._begun.items():
                self._put(layer, first, end, self._room(layer, layer))
            for layer, written in self._written.items():
                if not written.all():
                    raise InputError(self._where(layer), f"all {len(written)} images", f"{written.sum()} written")

    def _where(self, layer: str) -> str:
        return f"activations of model {self._attributes['model']}, layer {layer}"


def _fits(values: np.ndarray) -> bool:
    """Whether float16 holds all of them; no for NaN and infinity."""
    if values.dtype == np.float16:
        return bool((values.view(np.uint16) & 0x7FFF).max() < 0x7C00)
    return bool(max(values.max(), -values.min()) <= LARGEST)  # False also where one of the two is NaN


def refuse_values(model: str, layer: str, image_ids: list[str], values: np.ndarray) -> None:
    """Raise InputError naming the first image and unit of ``values`` [n_images, n_units, ...] with one that float16 cannot hold."""
    row, unit = np.argwhere(~(np.abs(values) <= LARGEST))[0][:2]
    worst = values[row, unit][~(np.abs(values[row, unit]) <= LARGEST)].flat[0]
    where = f"activations of model {model}, layer {layer}, image {image_ids[row]}, unit {unit}"
    raise InputError(where, f"finite values within +-{LARGEST:.0f} (float16)", f"{worst:g}", "leave the layer out of models.*.layers")


def images_per_chunk(n_images: int, shape: tuple[int, int, int]) -> int:
    """Images in a chunk of a layer of ``shape``: a power of two, so that blocks of images are whole chunks, of up to 4 MB; at least one."""
    fitting = max(1, CHUNK_BYTES // (2 * int(np.prod(shape))))
    return min(n_images, 1 << (fitting.bit_length() - 1))


def image_list_sha256(image_ids: list[str]) -> str:
    """Hex SHA-256 of the ids in order, one a line."""
    return hashlib.sha256("\n".join(image_ids).encode()).hexdigest()


# --------------------------------------------------------------------------------------------------------------------- views
def link_shards(shard_paths: Sequence[str | Path], view_path: str | Path, image_ids: list[str], where: str = "") -> None:
    """Write a view: the layers of all shards as virtual datasets (relative paths), images in the order of ``image_ids``.

    Raises InputError, naming ``where`` or else the view, unless the shards, ordered by their first image, hold every id exactly once and in
    order, and agree in layers, shapes, weights and preprocessing.
    """
    position = {image_id: row for row, image_id in enumerate(image_ids)}
    shards = []
    for path in shard_paths:
        with open_store(path) as shard:
            shards.append(shard)
    shards.sort(key=lambda shard: position.get(shard.image_ids[0], len(position)))
    found = [image_id for shard in shards for image_id in shard.image_ids]
    check_exactly_once(where or str(view_path), image_ids, found)
    if found != list(image_ids):
        raise InputError(where or view_path, "shards in the order of the manifest", "another order", "dump the shards again")
    _check_alike(shards)
    view_path = Path(view_path)
    first = shards[0]
    sources = [
        {"path": os.path.relpath(shard.path, view_path.parent), "image_list_sha256": shard.attributes["image_list_sha256"]}
        for shard in shards
    ]
    common = {key: value for key, value in first.attributes.items() if all(s.attributes.get(key) == value for s in shards)}
    head = {**common, "image_list_sha256": image_list_sha256(image_ids), "shards": sources}
    with writing_hdf5(view_path, head, sealed=True) as file:
        write_values(file, "image_id", np.array(image_ids))
        for layer in first.layers:
            layout = h5py.VirtualLayout((len(image_ids), *first.shape(layer)[1:]), np.float16)
            start = 0
            for shard, source in zip(shards, sources, strict=True):
                stop = start + len(shard.image_ids)
                layout[start:stop] = h5py.VirtualSource(source["path"], layer, shard.shape(layer))
                start = stop
            file.create_virtual_dataset(layer, layout, fillvalue=np.nan)


@contextmanager
def open_shards(shard_paths: Sequence[str | Path], image_ids: list[str]) -> Iterator["ActivationStore"]:
    """The shards as one store, checked as :func:`link_shards` does, through a view that is gone afterwards."""
    with TemporaryDirectory(prefix="robustlens-") as folder:
        view = Path(folder).resolve() / "view.h5"
        link_shards(shard_paths, view, image_ids, where=str(Path(shard_paths[0]).parent))
        with open_store(view) as store:
            yield store


def _check_alike(shards: list["ActivationStore"]) -> None:
    first = shards[0]
    for shard in shards[1:]:
        for key in (*IDENTITY, "layers"):
            if shard.attributes[key] != first.attributes[key]:
                raise InputError(shard.path, f"{key} {first.attributes[key]!r} as in {first.path}", repr(shard.attributes[key]), REMAKE)
        for layer in first.layers:
            if shard.shape(layer)[1:] != first.shape(layer)[1:]:
                raise InputError(shard.path, f"{layer} {first.shape(layer)[1:]} as in {first.path}", shard.shape(layer)[1:], REMAKE)


# ------------------------------------------------------------------------------------------------------------------- reading
class ActivationStore:
    """An open shard or view: ``path``, ``image_ids``, ``layers`` (in order), ``attributes``, and the activations themselves."""

    def __init__(self, path: Path, file: h5py.File, attributes: dict):
        self.path, self.attributes, self.layers = path, attributes, attributes["layers"]
        self.image_ids: list[str] = file["image_id"].asstr()[:].tolist()
        self._file = file
        self._shapes = {layer: file[layer].shape for layer in self.layers}
        self._rows = {image_id: row for row, image_id in enumerate(self.image_ids)}

    def shape(self, layer: str) -> tuple[int, int, int, int]:
        """(n_images, n_units, height, width) of a layer."""
        return self._shapes[layer]

    def slices(self, *layers: str, n_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
        """Rows in order, cut so that none of ``layers`` has more than ``n_bytes`` in a block (but at least one image)."""
        largest = max(2 * int(np.prod(self.shape(layer)[1:])) for layer in layers)
        step = 1 << (max(1, n_bytes // largest).bit_length() - 1)  # a power of two, as images a chunk: a chunk is read whole
        for start in range(0, len(self.image_ids), step):
            yield slice(start, min(start + step, len(self.image_ids)))

    def blocks(self, layer: str, n_bytes: int = BLOCK_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
        """Pairs (rows, float16 [rows, n_units, height, width]) in order; no block above ``n_bytes``, if an image is not."""
        for rows in self.slices(layer, n_bytes=n_bytes):
            with self._reading():
                values = self._file[layer][rows]
            yield rows, values

    def images(self, layer: str, image_ids: list[str]) -> np.ndarray:
        """float16 [n_images, n_units, height, width] of the images named, in that order. Raises InputError for an unknown id."""
        unknown = [image_id for image_id in image_ids if image_id not in self._rows]
        if unknown:
            raise InputError(self.path, f"the image {unknown[0]}", "none of that id", REMAKE)
        rows = np.array([self._rows[image_id] for image_id in image_ids])
        with self._reading():
            if (np.diff(rows) == 1).all():
                return self._file[layer][rows[0] : rows[-1] + 1]
            order = np.argsort(rows)
            values = np.empty((len(rows), *self.shape(layer)[1:]), np.float16)
            values[order] = self._file[layer][rows[order]]
            return values

    def _reading(self) -> AbstractContextManager:
        return refusing(self.path, "activations that can be read", REMAKE)


@contextmanager
def open_store(path: str | Path) -> Iterator[ActivationStore]:
    """Open a shard or a view for reading. Raises InputError for a truncated, foreign or incomplete file.

    The shards behind a view are looked at as well: HDF5 itself would read a missing one as fill values.
    """
    path = Path(path)
    with open_hdf5(path, FORMAT, "a complete activation file", HEAD) as (file, attributes):
        with refusing(path, "a complete activation file", REMAKE):
            for layer in ("image_id", *attributes["layers"]):
                if layer not in file:
                    raise InputError(path, f"a dataset {layer}", "none", REMAKE)
            store = ActivationStore(path, file, attributes)
            for layer in store.layers:
                if file[layer].dtype != np.float16 or len(store.shape(layer)) != 4 or len(file[layer]) != len(store.image_ids):
                    found = f"{file[layer].dtype} {store.shape(layer)}"
                    raise InputError(path, f"{layer} as float16 [{len(store.image_ids)}, n_units, height, width]", found, REMAKE)
            if image_list_sha256(store.image_ids) != attributes["image_list_sha256"]:
                raise InputError(path, "the images of attribute image_list_sha256", "others", REMAKE)
        if "shards" in attributes and os.environ.get("HDF5_VDS_PREFIX"):
            raise InputError("environment variable HDF5_VDS_PREFIX", "unset (HDF5 would read other shards)", os.environ["HDF5_VDS_PREFIX"])
        for source in attributes.get("shards", []):
            _check_source(path, attributes, source)
        yield store


def _check_source(view: Path, attributes: dict, source: dict) -> None:
    path = view.resolve().parent / source["path"]
    if not path.is_file():
        raise InputError(path, f"a shard of {view}", "no such file", "dump it again")
    with open_store(path) as shard:
        expected = {**attributes, "image_list_sha256": source["image_list_sha256"]}
        for key in (*IDENTITY, "layers", "image_list_sha256"):
            if shard.attributes[key] != expected[key]:
                raise InputError(path, f"{key} {expected[key]!r} as {view} has it", repr(shard.attributes[key]), "link the shards again")
