"""A published dataset's metadata: Croissant 1.0 (MLCommons) with its vocabulary for responsible AI, as JSON-LD."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from datasets.card import SAID
from datasets.manifest import COLUMNS

ENDINGS = {"webdataset": "data/*.tar", "parquet": "data/*.parquet", "folder": "*/*/*.jpg"}
FORMATS = {"webdataset": "application/x-tar", "parquet": "application/x-parquet", "folder": "image/jpeg"}
TYPES = {pa.string(): "sc:Text", pa.int64(): "sc:Integer"}
CONFORMS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
OURS = (
    "citeAs column conformsTo data dataType examples extract field fileProperty fileObject fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace separator source "
    "subField transform"
).split()
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    **{word: f"cr:{word}" for word in OURS},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


def metadata(
    name: str, form: str, about: Mapping[str, str], responsible: Mapping[str, str], manifest_sha256: str
) -> dict[str, Any]:
    """The JSON-LD document.

    Args:
        form: webdataset, parquet or folder.
        about: description, license (an address), citeAs, datePublished, version; more of schema.org's words.
        responsible: what the RAI vocabulary asks, by its words without the prefix.
    """
    assert {*SAID["columns"]} == {*COLUMNS.names}
    manifest = {
        "@type": "cr:FileObject",
        "@id": "manifest.parquet",
        "name": "manifest.parquet",
        "description": "A row for each crop.",
        "contentUrl": "manifest.parquet",
        "encodingFormat": "application/x-parquet",
        "sha256": manifest_sha256,
    }
    pictures = {
        "@type": "cr:FileSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "The crops themselves; SHA256SUMS has each file's checksum.",
        "encodingFormat": FORMATS[form],
        "includes": ENDINGS[form],
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": name,
        **about,
        **{f"rai:{word}": text for word, text in responsible.items()},
        "distribution": [manifest, pictures],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "crops",
                "name": "crops",
                "description": "What is known of each crop.",
                "key": {"@id": "crops/key"},
                "field": [_field(field) for field in COLUMNS],
            }
        ],
    }


def _field(column: pa.Field) -> dict[str, Any]:
    field = {
        "@type": "cr:Field",
        "@id": f"crops/{column.name}",
        "name": column.name,
        "description": SAID["columns"][column.name],
        "dataType": TYPES.get(column.type, "sc:Float"),
        "source": {"fileObject": {"@id": "manifest.parquet"}, "extract": {"column": column.name}},
    }
    return field | ({"repeated": True} if column.name == "box" else {})
