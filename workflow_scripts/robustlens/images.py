"""Image sets on disk: manifests (the list of a source's images) and shards (pictures in Parquet). Contract: docs/data.md."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from robustlens.errors import InputError, refusing
from robustlens.files import replacing
from robustlens.originals import Originals
from robustlens.picture_files import MOST_PIXELS, opened_picture

MANIFEST_COLUMNS = {
    "image_id": pa.string(),
    "label": pa.int32(),
    "shape": pa.int32(),
    "texture": pa.int32(),
    "path": pa.string(),
}
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SHARD_COLUMNS = {
    **{name: dtype for name, dtype in MANIFEST_COLUMNS.items() if name != "path"},
    "image": IMAGE,
    "mask": pa.binary(),
    "sha256": pa.string(),
}
REMAKE = "delete it and run again"
PICTURES_TOGETHER = 64  # in a row group of a shard
NORM_COLUMNS = {"l2": pa.float32(), "linf": pa.float32()}
SIXTEEN_AS_32 = ("PNG", "PPM")  # formats whose 16 bits some versions of Pillow give in its mode of 32
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
decoders = 1  # threads that decode pictures; robustlens.job sets it to the CPUs of the job


# ---------------------------------------------------------------------------------------------------------------- manifests
def write_manifest(path: str | Path, rows: pd.DataFrame, classes: list[str] | None = None) -> None:
    """Write the list of a source's images; ``rows`` has the columns of the manifest; ``classes``: names that its labels index, if any.

    Raises InputError for a repeated id.
    """
    repeated = rows["image_id"][rows["image_id"].duplicated()]
    if len(repeated):
        raise InputError(path, "every image_id once", f"{repeated.iloc[0]!r} more than once")
    notes = None if classes is None else {"robustlens": json.dumps({"classes": classes})}
    schema = pa.schema(list(MANIFEST_COLUMNS.items()), metadata=notes)
    write_parquet(path, pa.Table.from_pandas(rows[list(MANIFEST_COLUMNS)], schema=schema, preserve_index=False))


def read_manifest(path: str | Path) -> pd.DataFrame:
    """The images of a source in order: ``image_id, label, shape, texture, path``."""
    return read_table(path, MANIFEST_COLUMNS).to_pandas(ignore_metadata=True)


def read_classes(manifest: str | Path) -> list[str] | None:
    """The class names that the labels of a manifest index; None where they are numbers alone. Raises InputError for another file."""
    with refusing(manifest, "a manifest", REMAKE):
        notes = (pq.read_schema(manifest).metadata or {}).get(b"robustlens")
        return json.loads(notes)["classes"] if notes else None


def shard_rows(manifest: pd.DataFrame, shard: int, images_per_shard: int) -> pd.DataFrame:
    """The manifest rows of one shard, in manifest order."""
    return manifest.iloc[shard * images_per_shard : (shard + 1) * images_per_shard].reset_index(drop=True)


def write_parquet(path: str | Path, table: pa.Table | pd.DataFrame, *, rows_together: int | None = None) -> None:
    """Write a table; it appears under ``path`` when it is complete. ``rows_together``: of a row group, None for as many as usual."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, rows_together, compression="zstd", write_page_checksum=True)


def read_table(path: str | Path, columns: Mapping[str, pa.DataType] = MappingProxyType({})) -> pa.Table:
    """A Parquet file that has ``columns`` of these types among others. Raises InputError for another one, and for one that is damaged."""
    with refusing(path, "a complete Parquet file", REMAKE):
        with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            # one row group after the other: all at once take several times their room
            groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
            table = pa.concat_tables(groups) if groups else file.read()
        table.validate(full=True)  # text that is no UTF-8, lists that end before they begin
        missing = [name for name in columns if name not in table.column_names]
        notes = {key: text for key, text in (table.schema.metadata or {}).items() if key != b"pandas"}  # which pandas would decode
        table = table.replace_schema_metadata(notes)
    if missing:
        raise InputError(path, f"the columns {', '.join(columns)}", f"no {', '.join(missing)}")
    for name, dtype in columns.items():
        if table.schema.field(name).type != dtype:
            raise InputError(path, f"{dtype} in the column {name}", table.schema.field(name).type, REMAKE)
    return table


def count_rows(path: str | Path) -> int:
    """Rows of a Parquet file, without reading them. Raises InputError for another file."""
    with refusing(path, "a complete Parquet file", REMAKE):
        return pq.read_metadata(path).num_rows


# -------------------------------------------------------------------------------------------------------------------- shards
@dataclass
class Shard:
    """The images of one shard: ``rows`` (pandas, without pictures) and pictures decoded on demand."""

    path: Path
    rows: pd.DataFrame
    origin: dict
    _images: pa.ChunkedArray
    _masks: pa.ChunkedArray
    _originals: Originals
    geometry: dict | None
    _floats: pa.ChunkedArray | None = None
    classes: list[str] | None = None  # names that the labels index; None where they are numbers alone

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """uint8 ``[n_images, height, width, 3]``, RGB, of the rows ``start:stop``. Raises InputError for an unreadable picture."""
        return self._stack([self._picture(row) for row in range(start, len(self) if stop is None else min(stop, len(self)))])

    def _stack(self, pictures: list[np.ndarray]) -> np.ndarray:
        sizes = {picture.shape for picture in pictures}
        if len(sizes) > 1:
            raise InputError(self.path, "pictures of one size", f"sizes {sorted(s[:2] for s in sizes)}", "give the source a `geometry`")
        return np.stack(pictures)

    def batches(self, size: int, n_images: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Pairs of (rows, pixels) of at most ``size`` images, in order, of the first ``n_images`` (all of them if None).

        Of a shard that keeps its pictures in float they are float32 on [0, 1], not rounded to 8 bits as those of ``pixels``.
        With several ``decoders`` the pictures of the next batch are decoded while one is in use, never further ahead.
        """
        n_images = len(self) if n_images is None else min(n_images, len(self))
        batches = [slice(start, min(start + size, n_images)) for start in range(0, n_images, size)]
        if decoders == 1:
            yield from ((rows, self._stack([self._exact(row) for row in range(rows.start, rows.stop)])) for rows in batches)
            return
        pool, ahead = ThreadPoolExecutor(decoders), None

        def decode(rows: slice) -> Iterator[np.ndarray]:
            return pool.map(self._exact, range(rows.start, rows.stop))  # begins at once

        try:
            for rows, following in zip(batches, [*batches[1:], None], strict=False):
                pixels = self._stack(list(ahead or decode(rows)))
                ahead = following and decode(following)
                yield rows, pixels
        finally:
            pool.shutdown(cancel_futures=True)

    def take(self, rows: np.ndarray) -> "Shard":
        """The shard with these rows alone, in this order."""
        floats = None if self._floats is None else self._floats.take(rows)
        images, masks = self._images.take(rows), self._masks.take(rows)
        return replace(self, rows=self.rows.iloc[rows].reset_index(drop=True), _images=images, _masks=masks, _floats=floats)

    def original(self, row: int) -> Image.Image:
        """The picture in RGB before its ``geometry``. Raises InputError for an unreadable one."""
        return self._decoded(row)[1]

    def mask(self, row: int) -> np.ndarray | None:
        """uint8 ``[height, width]``, 255 = object, or None where the object is unknown."""
        data = self._masks[row].as_py()
        if data is None:
            return None
        with opened_picture(data, f"{self.path} [{self.rows.image_id.iloc[row]}]", "a readable mask") as picture:
            return np.asarray(picture)

    def alpha(self, row: int) -> np.ndarray:
        """uint8 ``[height, width]``: how opaque the image file is, of its ``geometry``. Raises InputError for one without alpha channel."""
        where, data = self._encoded(row)
        with opened_picture(data, where) as picture:
            if not picture.has_transparency_data:
                raise InputError(where, "an image with an alpha channel for `masks: alpha`", f"none (mode {picture.mode})")
            alpha = picture.convert("RGBA").getchannel("A")
        return np.asarray(apply_geometry(alpha, self.geometry, where) if self.geometry else alpha)

    def original_size(self, row: int) -> tuple[int, int]:
        """(width, height) of the picture in px before its ``geometry``."""
        where, data = self._encoded(row)
        with opened_picture(data, where) as picture:
            return picture.size

    @cached_property
    def _listed(self) -> list[tuple[str, str]]:
        """``image_id`` and ``sha256`` of each row, which pandas looks up slowly."""
        return list(zip(self.rows["image_id"], self.rows["sha256"], strict=True))

    def _encoded(self, row: int) -> tuple[object, bytes]:
        """What to call the picture in messages, and its file. Raises InputError for another one than was listed."""
        image, (image_id, expected) = self._images[row].as_py(), self._listed[row]
        if image["bytes"]:
            where, data = f"{self.path} [{image_id}]", image["bytes"]
        else:
            where, data = self._originals.where(image["path"]), self._originals.read(image["path"])
        if (found := hashlib.sha256(data).hexdigest()) != expected:
            raise InputError(
                where, f"the picture that was listed, sha256 {expected[:12]}", found[:12], f"restore it, or delete {self.path}"
            )
        return where, data

    def _exact(self, row: int) -> np.ndarray:
        if self._floats is None:
            return self._picture(row)
        with refusing(f"{self.path} [{self.rows.image_id.iloc[row]}]", "a picture in float32"):
            return np.load(io.BytesIO(self._floats[row].as_py()), allow_pickle=False)

    def _picture(self, row: int) -> np.ndarray:
        where, picture = self._decoded(row)
        return np.asarray(apply_geometry(picture, self.geometry, where) if self.geometry else picture)

    def _decoded(self, row: int) -> tuple[object, Image.Image]:
        """What to call the picture in messages, and the whole of it in RGB."""
        where, data = self._encoded(row)
        return where, decode(data, where)


def decode(data: bytes, where: object = "picture") -> Image.Image:
    """The whole of an encoded picture in RGB, of several frames the first. Raises InputError for what is no sound picture."""
    with opened_picture(data, where) as picture:
        return to_rgb(picture, where)


def to_rgb(picture: Image.Image, where: object = "picture") -> Image.Image:
    """The picture in 8-bit RGB, as it is stored: an orientation in its EXIF data is not applied, as torchvision and the peers do not.

    What is transparent is laid on white: a reader that drops the alpha channel sees black where a drawing keeps its ink in alpha alone.
    Of 16-bit channels the high byte is kept. Raises InputError for whole numbers of 32 bits and for floats, whose range is unknown: of
    small ones the high byte would be black.
    """
    if picture.mode == "RGB" and "transparency" not in picture.info:
        picture.load()
        return picture
    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if picture.mode == "F" or (picture.mode == "I" and picture.format not in SIXTEEN_AS_32) or values.min() < 0 or values.max() > 65535:
            raise InputError(where, "a picture of 8 or 16 bits a channel", f"mode {picture.mode} of Pillow, up to {values.max()}")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    drawn = picture.convert("RGBA")
    ground = Image.new("RGBA", drawn.size, "white")
    ground.alpha_composite(drawn)
    return ground.convert("RGB")


def apply_geometry(picture: Image.Image, geometry: dict, where: object = "picture") -> Image.Image:
    """Resize the shorter side to ``geometry["resize"]`` px, if given, then cut the central square of ``geometry["crop"]`` px.

    The rule of torchvision's ``Resize`` + ``CenterCrop``: the longer side is truncated to whole px, the crop's corner rounded.
    Raises InputError for a picture that is smaller than the crop, for nothing is padded, and one that would become gigantic.
    """
    width, height = picture.size
    if short := geometry.get("resize"):
        width, height = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
        if width * height > MOST_PIXELS:  # a strip of one px has few, and many when its shorter side is resized
            raise InputError(where, f"at most {MOST_PIXELS:,} px when it is resized to {short} px", f"{width:,} x {height:,} px")
        picture = picture.resize((width, height), RESAMPLING[geometry.get("interpolation", "bilinear")])
    crop = geometry["crop"]
    if min(width, height) < crop:
        mend = "correct `geometry` of the source"
        raise InputError(where, f"at least {crop} x {crop} px, the side of the crop", f"{width} x {height} px", mend)
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    return picture.crop((left, top, left + crop, top + crop))


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG of uint8 ``[height, width]`` or ``[height, width, 3]``; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def encode_npy(pixels: np.ndarray) -> bytes:
    """NPY of float32 ``[height, width, 3]``; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(pixels), allow_pickle=False)
    return buffer.getvalue()


def write_shard(
    path: str | Path,
    rows: pd.DataFrame,
    *,
    pixels: Iterator[np.ndarray | bytes] | None = None,
    masks: list[np.ndarray | None] | None = None,
    root: str | Path | None = None,
    geometry: dict | None = None,
    origin: dict,
    classes: list[str] | None = None,
) -> None:
    """Write one image shard.

    ``rows`` has the manifest's columns (and ``l2, linf`` for adversarial images). Give either ``pixels``, one uint8
    ``[height, width, 3]`` array a row (encoded as PNG) or the bytes of an encoded file (stored as they are), or ``root``: then the
    pictures stay where ``rows["path"]`` says and the reader applies ``geometry``; only their digests are taken. ``masks``: uint8
    ``[height, width]`` or None, one a row. ``origin``: what made them (JSON); ``classes``: the names that
    the labels index, if any. ``pixels`` of float32 on [0, 1] are rounded for the picture and kept as they are beside it, in the column
    ``float``.
    """
    floats = []
    images: list[dict[str, bytes | str | None]]
    if pixels is not None:
        encoded = []
        for item in pixels:
            if isinstance(item, np.ndarray) and item.dtype == np.float32:
                floats.append(encode_npy(item))
                item = np.rint(item * 255).astype(np.uint8)
            encoded.append(item if isinstance(item, bytes) else encode_png(item))
        images = [{"bytes": data, "path": None} for data in encoded]
        digests = [hashlib.sha256(data).hexdigest() for data in encoded]
    else:
        originals = Originals(root)
        images = [{"bytes": None, "path": name} for name in rows["path"]]
        digests = [hashlib.sha256(originals.read(name)).hexdigest() for name in rows["path"]]
    if len(images) != len(rows):
        raise InputError(path, f"{len(rows)} pictures", len(images))
    columns = {
        **{name: rows[name] for name in ("image_id", "label", "shape", "texture")},
        "image": images,
        "mask": [None if mask is None else encode_png(mask) for mask in masks or [None] * len(rows)],
        "sha256": digests,
    }
    types = dict(SHARD_COLUMNS)
    if "l2" in rows:
        types |= NORM_COLUMNS
        columns |= {name: rows[name] for name in NORM_COLUMNS}
    if floats:
        types["float"], columns["float"] = pa.binary(), floats
    notes: dict = {"root": None if root is None else str(root), "geometry": geometry if root is not None else None, "origin": origin}
    if classes is not None:
        notes["classes"] = classes
    schema = pa.schema(list(types.items()), metadata={"robustlens": json.dumps(notes, sort_keys=True)})
    table = pa.table({name: pa.array(values, types[name]) for name, values in columns.items()}, schema=schema)
    write_parquet(path, table, rows_together=PICTURES_TOGETHER)


def read_shard(path: str | Path) -> Shard:
    """Open one image shard. Raises InputError if it is not one."""
    table = read_table(path, SHARD_COLUMNS)
    metadata = (table.schema.metadata or {}).get(b"robustlens")
    if metadata is None:
        raise InputError(path, "schema metadata `robustlens`", "none")
    with refusing(path, "notes on root, geometry and origin in the schema metadata", REMAKE):
        notes = json.loads(metadata)
        root, geometry, origin = notes["root"], notes["geometry"], notes["origin"]
        classes = notes.get("classes")
    floats = table["float"] if "float" in table.column_names else None
    rows = table.drop_columns(["image", "mask"] + ["float"] * (floats is not None)).to_pandas(ignore_metadata=True)
    return Shard(Path(path), rows, origin, table["image"], table["mask"], Originals(root), geometry, floats, classes)


def check_pictures(path: str | Path, size: int = 50, expected: tuple[int, int] | None = None) -> None:
    """Decode every picture of a shard, ``size`` at a time. Raises InputError, and removes the shard, for one that cannot be read, or whose
    height and width in px are others than ``expected``, or without it than those of the first."""
    try:
        shard = read_shard(path)
        for rows, pixels in shard.batches(size):
            found = pixels.shape[1:3]
            expected = expected or found
            if found != expected:
                where, image_id = shard.path, shard.rows["image_id"].iloc[rows.start]
                raise InputError(f"{where} [{image_id}]", "images of {} x {} px".format(*expected), "{} x {} px".format(*found))
    except InputError:
        Path(path).unlink()
        raise
