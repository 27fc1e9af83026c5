"""Uploads a published folder to the Hugging Face hub; the same command goes on with what was cut off."""

import re
from pathlib import Path

from opengspr.command import UserError

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def check(repository: str) -> None:
    """Refuses before any work what could not be pushed.

    Raises:
        UserError: not ORG/NAME, or nobody is logged in.
    """
    if not REPOSITORY.fullmatch(repository):
        raise UserError(f"--push {repository}: wanted ORG/NAME")
    from huggingface_hub import get_token

    if not get_token():
        raise UserError("--push: nobody is logged in at the hub; run `hf auth login`, or set HF_TOKEN")


def push(folder: Path, repository: str) -> str:
    """Uploads all that is not hidden; what is there already is not sent again.

    Returns:
        the dataset's address.

    Raises:
        UserError: the hub refuses, or cannot be reached.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        address = api.create_repo(repository, repo_type="dataset", exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            repo_type="dataset",
            ignore_patterns=[".*", "**/.*"],
            commit_message="Dataset by OpenGSPR",
        )
    except (HfHubHTTPError, HTTPError, OSError, RuntimeError) as error:
        why = " ".join(str(error).split())[:200]
        raise UserError(f"--push {repository}: {why}; the same command goes on from here") from error
    return str(address)
