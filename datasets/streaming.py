"""Streams a dataset's crops to a training loop, dealt to ranks and workers: `Stream(crops, seed=0)`.

    stream = Stream(open_dataset("dist/").split("train"), to_tensor)
    loader = torch.utils.data.DataLoader(stream, batch_size=64, num_workers=4)

Crops are read in pieces that lie together in the files, so that a disk or a network drive is read in long strokes.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from datasets.manifest import Crops

PIECE = 256  # crops that are read one after the other


class Stream(IterableDataset):
    """Every crop once an epoch, in an order that depends on seed and epoch only: (image, pid, camid).

    Ranks get the same number of crops, so that none waits for another: up to ranks - 1 are left out, others in each
    epoch. Workers share their rank's crops.
    """

    def __init__(
        self,
        crops: Crops,
        transform: Callable[[np.ndarray], Any] | None = None,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Args: transform: of an image (H, W, 3) uint8; none leaves it as it is. rank: of so many processes."""
        assert 0 <= rank < ranks, (rank, ranks)
        self.crops, self.transform, self.seed, self.rank, self.ranks = crops, transform, seed, rank, ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Another epoch, another order. Call it on every rank before it begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Crops of this rank."""
        return len(self.crops) // self.ranks

    def order(self) -> np.ndarray:
        """The crops of this rank in this epoch, (len(self),) int64."""
        random = np.random.default_rng((self.seed, self.epoch))
        together = np.arange(len(self.crops))
        if self.crops.rows is not None:
            together = np.lexsort([self.crops.column(name) for name in ("offset", "shard")])
        pieces = [together[start : start + PIECE] for start in range(0, len(together), PIECE)]
        mixed = [random.permutation(pieces[k]) for k in random.permutation(len(pieces))]
        whole = np.concatenate([*mixed, np.zeros(0, np.int64)])
        return whole[self.rank * len(self) : (self.rank + 1) * len(self)]

    def __iter__(self) -> Iterator[tuple[Any, int, int]]:
        mine, worker = self.order(), get_worker_info()
        if worker:
            mine = np.array_split(mine, worker.num_workers)[worker.id]
        for i in mine.tolist():
            image = self.crops.image(i)
            yield self.transform(image) if self.transform else image, int(self.crops.pid[i]), int(self.crops.camid[i])
