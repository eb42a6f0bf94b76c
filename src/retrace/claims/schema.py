"""The JSON schema of a claims file."""

from __future__ import annotations

from typing import Any

from retrace.claims.model import PaperClaims


def claims_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) generated from the models, for editors and for config/schemas."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PaperClaims.model_json_schema()}
