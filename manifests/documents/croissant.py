"""croissant.json: MLCommons Croissant 1.0 metadata of a data set, generated from its manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from manifests.confined.reading import hash_file
from manifests.confined.writing import write_text
from manifests.description import read_description
from manifests.documents.statistics import count_licenses
from manifests.schema import BURSTS, FRAMES, LABELS, SPLITS, TableSchema
from manifests.store import list_label_files, table_path

CROISSANT_NAME = "croissant.json"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(root: Path, path: Path | None = None) -> Path:
    """Write the metadata into a data set, or elsewhere, atomically, and return its path.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    path = path or root / CROISSANT_NAME
    write_text(
        path.parent,
        path.name,
        json.dumps(describe_croissant(root), indent=2, sort_keys=True, ensure_ascii=False) + "\n",
    )
    return path


def describe_croissant(root: Path) -> dict[str, Any]:
    """The metadata: the tables as files with their SHA-256, and their columns as fields of record sets.

    Frames are files named by the field `frames/path`, relative to the data set.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    description = read_description(root)
    licenses = sorted(set(count_licenses(root)["license"]))
    files = list(_list_files(root))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": description.get("name") or "bursts",
        "description": "Bursts of photographs, with the worth of each frame to downstream tasks; see DATASET.md.",
        "citeAs": cite(description),
        "license": licenses,
        "url": "DATASET.md",
        "version": f"{description['format_version']}.0.0",
        "isLiveDataset": False,
        "distribution": [describe_file(f"{name}.parquet", path, hash_file(root, path)) for name, path, _ in files],
        "recordSet": [_describe_records(name, kind) for name, _, kind in files],
    }


def cite(description: Mapping[str, Any]) -> str:
    """How to cite a data set: by its name, what built it, and the paper whose task it is for."""
    software = description.get("software")
    version = software.get("buiqa-toolkit", "") if isinstance(software, dict) else ""
    return (
        f"{description.get('name') or 'Bursts'}, built with buiqa-toolkit {version}".strip()
        + "; task after Burst Image Quality Assessment (AAAI 2026), arXiv:2511.07958"
    )


def _list_files(root: Path) -> Iterator[tuple[str, str, TableSchema]]:
    for kind in (BURSTS, FRAMES, SPLITS):
        yield kind.name, table_path(kind.name), kind
    for path in list_label_files(root):
        yield f"labels-{PurePosixPath(path).stem}", path, LABELS


def describe_file(name: str, path: str, sha256: str) -> dict[str, Any]:
    """A Parquet file as Croissant has it: its name there, its path relative to the metadata, its digest."""
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": path,
        "encodingFormat": "application/x-parquet",
        "sha256": sha256,
    }


def _describe_records(name: str, kind: TableSchema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": [{"@id": f"{name}/{column}"} for column in kind.sort_by],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field.name}",
                "name": field.name,
                "description": field.metadata[b"doc"].decode(),
                "dataType": _name_type(field.type),
                "repeated": bool(pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)),
                "source": {"fileObject": {"@id": f"{name}.parquet"}, "extract": {"column": field.name}},
            }
            for field in kind.schema
        ],
    }


def _name_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _name_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
