"""Turns captures into datasets: crops of people with their identities."""

from opengspr.command import require_own_datasets

require_own_datasets()
