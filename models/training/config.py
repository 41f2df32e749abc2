"""How a training runs, whatever is trained."""

from __future__ import annotations

from dataclasses import dataclass

from models.settings import check_choice, check_range

PRECISIONS = ("f32", "bf16")


@dataclass(frozen=True)
class LoopConfig:
    """Length, speed and book-keeping of a training.

    Attributes:
        epochs: How often each sample is seen.
        steps: Of the whole training, in place of `epochs`; 0 leaves it to them.
        batch_size: Samples a step at most, over all processes.
        seed: Of the network's first weights, the order of samples and their augmentation.
        num_workers: Processes that read samples, for each training process; 0 reads in the process itself.
        precision: `f32`, or `bf16` for autocast to bfloat16.
        channels_last: Memory order of images and weights; faster on GPUs and with bf16.
        compile: Whether `torch.compile` makes the network's kernels first: minutes of start, then faster steps.
            A smaller last batch of an epoch costs such a start once more.
        sync_batch_norm: Whether batch norms see all GPUs' samples.
        max_grad_norm: Gradients longer than this are shortened to it; 0 leaves them.
        ema_decay: Of the averaged copy that is evaluated and kept; 0 keeps none.
        evaluate_every_epochs: Epochs between evaluations; there is one at the end in any case. 0 is never.
        save_every_steps: Steps between checkpoints, besides one at each evaluation; 0 is once an epoch.
        keep_checkpoints: How many of the last to keep, besides the best.
        log_every_steps: Steps that one row of the log sums up.
    """

    epochs: int = 210
    steps: int = 0
    batch_size: int = 128
    seed: int = 0
    num_workers: int = 4
    precision: str = "f32"
    channels_last: bool = False
    compile: bool = False
    sync_batch_norm: bool = False
    max_grad_norm: float = 0.0
    ema_decay: float = 0.0
    evaluate_every_epochs: int = 10
    save_every_steps: int = 0
    keep_checkpoints: int = 2
    log_every_steps: int = 50

    def __post_init__(self) -> None:
        check_choice(self, "precision", PRECISIONS)
        check_range(self, 1, 1e9, "epochs", "batch_size", "keep_checkpoints", "log_every_steps")
        check_range(self, 0, 1e9, "steps", "seed", "num_workers", "evaluate_every_epochs", "save_every_steps")
        check_range(self, 0, 1e9, "max_grad_norm")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay: expected a number from 0 to below 1, got {self.ema_decay}")
