"""Data sets and packs on object storage: uploaded by their own list of digests, read through a local cache that is checked.

Any filesystem of pyarrow will do; `s3://bucket/path?endpoint_override=localhost:9000&scheme=http` names one that speaks S3.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs

from manifests.confined.reading import has_file, hash_file, open_file, walk_files
from manifests.confined.writing import remove_file, replace_file, write_file
from manifests.description import DESCRIPTION, PACKED_FORM, read_description
from manifests.errors import MissingManifestError, SchemaError, StorageError
from manifests.images.listing import StoredFile, list_image_files
from manifests.problem import Progress
from manifests.schema import BURSTS, FRAMES
from manifests.store import read_table, table_path

_BLOCK = 1 << 20
_THREADS = 8


def is_remote(location: str) -> bool:
    """Whether a location is a URI, and not a folder."""
    return "://" in location


def default_cache() -> Path:
    """Where remote data sets are kept: `$BUIQA_CACHE`, else `buiqa` in the user's cache folder."""
    chosen = os.environ.get("BUIQA_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(chosen) if chosen else (Path(base) if base else Path.home() / ".cache") / "buiqa"


def upload_dataset(root: Path, uri: str, *, on_progress: Progress | None = None) -> int:
    """Copy a data set or a pack to object storage: what is listed by digest, `dataset.json` last.

    Args:
        root: the data set.
        uri: where to; what lies there by the same names is replaced.
        on_progress: called with the number of files copied and of all.

    Returns:
        Number of files.

    Raises:
        ManifestError: if `root` is no data set, or a file differs from its digest.
        StorageError: if the storage cannot be reached or refuses.
    """
    filesystem, base = _connect(uri)
    files = list(_list_files(root))

    def upload(file: StoredFile) -> None:
        if hash_file(root, file.path) != file.sha256:
            raise SchemaError(f"{root / file.path}: SHA-256 differs from its table; run `buiqa verify`")
        _put(filesystem, base, root, file.path, uri)

    _run_all(upload, files, on_progress)
    _put(filesystem, base, root, DESCRIPTION, uri)
    return len(files) + 1


def fetch_dataset(uri: str, *, cache: Path | None = None, on_progress: Progress | None = None) -> Path:
    """Bring a remote data set or pack into the local cache, and return its folder there.

    Files that are there already with the right SHA-256 are not fetched again; each new one is checked before it gets its name. An
    interrupted fetch goes on where it stopped.

    Args:
        uri: address of the data set.
        cache: where to keep it; None for `default_cache()`.
        on_progress: called with the number of files done and of all.

    Raises:
        StorageError: if the storage cannot be reached, or a file there does not have the SHA-256 that it should have.
        ManifestError: if there is no data set of this format.
    """
    filesystem, base = _connect(uri)
    root = (cache or default_cache()) / hashlib.sha256(uri.encode()).hexdigest()[:24]
    root.mkdir(parents=True, exist_ok=True)
    # Always anew: it is what all else is checked against.
    with _translate_errors(uri), filesystem.open_input_stream(f"{base}/dataset.json") as stream:
        data = stream.read()
    write_file(root, DESCRIPTION, data)
    description = read_description(root)
    digests = description.get("manifests")
    if not isinstance(digests, dict):
        raise SchemaError(f"{uri}/dataset.json: expected digests under `manifests`; build the data set again")
    # Whoever lists the folder must not find what the data set held once and no longer does.
    for path, _ in list(walk_files(root, "manifests")):
        if path not in digests:
            remove_file(root, path)
    documents = [StoredFile(path, str(sha256)) for path, sha256 in sorted(digests.items())]
    _run_all(lambda file: _fetch(filesystem, base, root, file, uri), documents, None)
    files = [] if description.get("form") == PACKED_FORM else _list_images(root)
    _run_all(lambda file: _fetch(filesystem, base, root, file, uri), files, on_progress)
    return root


def locate_dataset(location: str | os.PathLike[str]) -> Path:
    """The folder of a data set: itself, or where `fetch_dataset` keeps it."""
    text = os.fspath(location)
    return fetch_dataset(text) if is_remote(text) else Path(text)


@contextlib.contextmanager
def _translate_errors(place: str) -> Iterator[None]:
    """What pyarrow raises, as errors of this package that name the place."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingManifestError(f"{place}: not there ({error}); correct the address") from error
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{place}: {error}; check the address, the network and the credentials") from error


def _connect(uri: str) -> tuple[fs.FileSystem, str]:
    with _translate_errors(uri):
        filesystem, base = fs.FileSystem.from_uri(uri)
    return filesystem, base.rstrip("/")


def _list_files(root: Path) -> Iterator[StoredFile]:
    description = read_description(root)
    digests = description.get("manifests") or {}
    yield from (StoredFile(path, sha256) for path, sha256 in sorted(digests.items()))
    if description.get("form") != PACKED_FORM:
        yield from _list_images(root)


def _list_images(root: Path) -> list[StoredFile]:
    return list_image_files(*(read_table(root, table_path(kind.name), kind) for kind in (BURSTS, FRAMES)))


def _run_all(work: Callable[[StoredFile], None], files: list[StoredFile], on_progress: Progress | None) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, _ in enumerate(pool.map(work, files), start=1):
            if on_progress is not None:
                on_progress(done, len(files))


def _put(filesystem: fs.FileSystem, base: str, root: Path, path: str, uri: str) -> None:
    with _translate_errors(f"{uri}: {path}"), open_file(root, path) as stream:
        if isinstance(filesystem, fs.LocalFileSystem):
            filesystem.create_dir(str(PurePosixPath(base, path).parent))
        with filesystem.open_output_stream(f"{base}/{path}") as target:
            while block := stream.read(_BLOCK):
                target.write(block)


def _fetch(filesystem: fs.FileSystem, base: str, root: Path, file: StoredFile, uri: str) -> None:
    if has_file(root, file.path) and hash_file(root, file.path) == file.sha256:
        return
    digest = hashlib.sha256()
    with replace_file(root, file.path) as out:
        with (
            _translate_errors(f"{uri}: {file.path}"),
            filesystem.open_input_stream(f"{base}/{file.path}") as stream,
        ):
            while block := stream.read(_BLOCK):
                digest.update(block)
                out.write(block)
        if digest.hexdigest() != file.sha256:
            raise StorageError(
                f"{uri}: {file.path}: SHA-256: expected {file.sha256}, got {digest.hexdigest()}; upload it again"
            )
