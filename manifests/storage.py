"""Data sets and packs on object storage: uploaded by their own list of digests, read through a local cache that is checked.

Any filesystem of pyarrow will do: `s3://`, `gs://`, `abfs://`, `hdfs://`, and `file://` for a mounted one;
`s3://bucket/path?endpoint_override=localhost:9000&scheme=http` names one that speaks S3. There is no `http://`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs

from manifests.address import clean_message, drop_credentials, hide_credentials
from manifests.confined.reading import has_file, hash_file, open_file, read_file, walk_files
from manifests.confined.writing import (
    copy_file,
    make_folder,
    move_folder,
    open_to_lock,
    remove_tree,
    replace_file,
    write_file,
)
from manifests.description import DESCRIPTION, DIGESTS, PACKED_FORM, read_description
from manifests.errors import ManifestError, MissingManifestError, SchemaError, StorageError
from manifests.images.listing import StoredFile, list_image_files, list_stored_files
from manifests.problem import Progress
from manifests.schema import BURSTS, FRAMES
from manifests.store import read_table, table_path

_BLOCK = 1 << 20
_THREADS = 8
_PRIVATE = 0o700
_SCHEMES = ("s3", "gs", "abfs", "hdfs", "file")


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
    remote = _connect(uri)
    files = list(_list_files(root))

    def upload(file: StoredFile) -> None:
        if hash_file(root, file.path) != file.sha256:
            raise SchemaError(f"{root / file.path}: SHA-256 differs from its table; run `buiqa verify`")
        remote.write(root, file.path)

    _run_all(upload, files, on_progress)
    remote.write(root, DESCRIPTION)
    return len(files) + 1


def fetch_dataset(uri: str, *, cache: Path | None = None, on_progress: Progress | None = None) -> Path:
    """Bring a remote data set or pack into the local cache, and return its folder there.

    It is put together beside that folder and takes its place once it is whole, with what the remote lists and nothing else. Files that
    are there already with the right SHA-256 are not fetched again; each new one is checked. An interrupted fetch goes on where it
    stopped; one that fails leaves what was there before. The folder is the user's alone.

    Args:
        uri: address of the data set.
        cache: where to keep it; None for `default_cache()`.
        on_progress: called with the number of files done and of all.

    Raises:
        StorageError: if the storage cannot be reached, or a file there does not have the SHA-256 that it should have.
        ManifestError: if there is no data set of this format.
    """
    remote, folder = _connect(uri), cache or default_cache()
    name = hashlib.sha256(drop_credentials(uri).encode()).hexdigest()[:24]
    folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    with _lock(folder, f"{name}.lock"):
        root, partial = folder / name, folder / f"{name}.partial"
        data = remote.read(DESCRIPTION)
        held = _hash_all(root)
        if _is_whole(root, data, held):
            root.chmod(_PRIVATE)
            return root
        if not has_file(partial, DESCRIPTION) or read_file(partial, DESCRIPTION) != data:
            remove_tree(folder, partial.name)  # of another version
        partial.mkdir(mode=_PRIVATE, exist_ok=True)
        write_file(partial, DESCRIPTION, data)

        def bring(file: StoredFile) -> None:
            if has_file(partial, file.path) and hash_file(partial, file.path) == file.sha256:
                return
            if held.get(file.path) == file.sha256:
                _link(root, file.path, partial)
            else:
                remote.fetch(file, partial)

        _run_all(bring, _list_documents(partial), None)
        _run_all(bring, _list_images(partial), on_progress)
        old = f"{name}.old"
        remove_tree(folder, old)
        if root.is_dir():
            move_folder(folder, name, old)
        move_folder(folder, partial.name, name)
        remove_tree(folder, old)
    return root


def locate_dataset(location: str | os.PathLike[str]) -> Path:
    """The folder of a data set: itself, or where `fetch_dataset` keeps it."""
    text = os.fspath(location)
    return fetch_dataset(text) if is_remote(text) else Path(text)


@dataclass(frozen=True)
class _Remote:
    """A folder on object storage.

    Attributes:
        filesystem: the file system that pyarrow opens.
        base: path of the folder there.
        uri: its address, which may hold credentials.
    """

    filesystem: fs.FileSystem
    base: str
    uri: str

    def __repr__(self) -> str:
        """Without credentials."""
        return f"_Remote({hide_credentials(self.uri)!r})"

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        with (
            _translate_errors(self.uri, path),
            self.filesystem.open_input_stream(f"{self.base}/{path}") as stream,
        ):
            data: bytes = stream.read()
            return data

    def write(self, root: Path, path: str) -> None:
        """Copy a file of a data set there."""
        with _translate_errors(self.uri, path), open_file(root, path) as stream:
            if isinstance(self.filesystem, fs.LocalFileSystem):
                self.filesystem.create_dir(str(PurePosixPath(self.base, path).parent))
            with self.filesystem.open_output_stream(f"{self.base}/{path}") as target:
                while block := stream.read(_BLOCK):
                    target.write(block)

    def fetch(self, file: StoredFile, root: Path) -> None:
        """Copy a file from there into a folder, if it is what it should be."""
        digest = hashlib.sha256()
        with replace_file(root, file.path) as out:
            with (
                _translate_errors(self.uri, file.path),
                self.filesystem.open_input_stream(f"{self.base}/{file.path}") as stream,
            ):
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
            if digest.hexdigest() != file.sha256:
                raise StorageError(
                    f"{hide_credentials(self.uri)}: {file.path}: SHA-256: expected {file.sha256}, "
                    f"got {digest.hexdigest()}; upload it again"
                )


@contextlib.contextmanager
def _translate_errors(uri: str, path: str = "") -> Iterator[None]:
    """What pyarrow raises, as errors of this package that name the place but no credentials; the cause would show them."""
    place = f"{hide_credentials(uri)}: {path}" if path else hide_credentials(uri)
    try:
        yield
    except ManifestError:
        raise
    except FileNotFoundError as error:
        raise MissingManifestError(
            f"{place}: not there ({clean_message(str(error), uri)}); correct the address"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{place}: {clean_message(str(error), uri)}; check the address, the network and the credentials "
            "(AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        ) from None


def _connect(uri: str) -> _Remote:
    scheme = uri.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        expected = ", ".join(f"{each}://" for each in _SCHEMES)
        raise StorageError(
            f"{hide_credentials(uri)}: {scheme}:// cannot be read or written; expected one of {expected}, or a folder"
        )
    with _translate_errors(uri):
        filesystem, base = fs.FileSystem.from_uri(uri)
    return _Remote(filesystem, base.rstrip("/"), uri)


@contextlib.contextmanager
def _lock(folder: Path, name: str) -> Iterator[None]:
    """Wait until nobody else fetches the same; ends with its owner."""
    descriptor = open_to_lock(folder, name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _hash_all(root: Path) -> Mapping[str, str]:
    """SHA-256 of all files in a folder, by path; empty text for what is no plain file."""
    files = list(walk_files(root, ""))
    with ThreadPoolExecutor(_THREADS) as pool:
        digests = pool.map(lambda file: hash_file(root, file[0]) if file[1] else "", files)
        return dict(zip((path for path, _ in files), digests, strict=True))


def _is_whole(root: Path, data: bytes, held: Mapping[str, str]) -> bool:
    """Whether a folder holds what `dataset.json` lists, and nothing else."""
    if held.get(DESCRIPTION) != hashlib.sha256(data).hexdigest():
        return False
    documents = _list_documents(root)
    if any(held.get(path) != sha256 for path, sha256 in documents):
        return False
    return held == {DESCRIPTION: held[DESCRIPTION], **dict(documents), **dict(_list_images(root))}


def _link(root: Path, path: str, out: Path) -> None:
    """Have a file of one folder in another, too."""
    os.close(make_folder(out, path.rpartition("/")[0]))
    try:
        os.link(root / path, out / path, follow_symlinks=False)
    except OSError:  # the file system has no links, or something has the name
        copy_file(root, path, out)


def _list_files(root: Path) -> Iterator[StoredFile]:
    yield from _list_documents(root)
    yield from _list_images(root)


def _list_documents(root: Path) -> list[StoredFile]:
    digests = read_description(root).get(DIGESTS)
    if not isinstance(digests, dict) or not digests:
        raise SchemaError(f"{root / DESCRIPTION}: expected digests under `{DIGESTS}`; build the data set again")
    return [StoredFile(path, str(sha256)) for path, sha256 in sorted(digests.items())]


def _list_images(root: Path) -> list[StoredFile]:
    if read_description(root).get("form") == PACKED_FORM:
        return []
    tables = (read_table(root, table_path(kind.name), kind) for kind in (BURSTS, FRAMES))
    return list_stored_files(list_image_files(*tables))


def _run_all(work: Callable[[StoredFile], None], files: list[StoredFile], on_progress: Progress | None) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, _ in enumerate(pool.map(work, files), start=1):
            if on_progress is not None:
                on_progress(done, len(files))
