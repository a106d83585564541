"""What FuturScam posted its documents to: a small service that inserts one document per request."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException
from pymongo.errors import DuplicateKeyError

from futurscam_lib import settings
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections

_configured = settings.load()
_rfps = Collections.of(mongo.connect(_configured)[_configured.database]).rfps
_rfps.create_index("job_id", unique=True)

app = FastAPI()


@app.post("/rfps", status_code=201)
def insert(document: dict[str, Any]) -> dict[str, str]:
    """Insert a document; 409 where its `job_id` is taken."""
    try:
        _rfps.insert_one(document)
    except DuplicateKeyError as error:
        raise HTTPException(409) from error
    return {"job_id": document["job_id"]}


@app.put("/rfps/{job_id}")
def replace(job_id: str, document: dict[str, Any]) -> dict[str, str]:
    """Replace a document."""
    _rfps.replace_one({"job_id": job_id}, document)
    return {"job_id": job_id}
