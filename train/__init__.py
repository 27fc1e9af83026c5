"""One file per method; what methods share is in train.parts."""

from opengspr.command import require_own_datasets

require_own_datasets()
