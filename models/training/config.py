"""Settings of the training loop that all families share."""

from __future__ import annotations

from dataclasses import dataclass

from models.settings import check_choice, check_range

PRECISIONS = ("f32", "bf16")
DATA = ("loader", "device")

MOST_WORKERS = 256
"""Largest number of data loading processes per training process."""


@dataclass(frozen=True)
class LoopConfig:
    """Length, speed, evaluation, checkpoints and logs of a training.

    Attributes:
        epochs: Number of epochs.
        steps: Number of steps of the whole training, instead of `epochs`; 0 to use these.
        seconds: Length of the whole training in seconds, instead of `epochs`; 0 to use these. The schedule
            follows the time that is gone. Evaluations on the way count, the last one does not.
        batch_size: Largest number of samples per step, over all processes.
        seed: Seed of the initial weights, the order of samples and their augmentation.
        data: `loader`, which reads, cuts out and augments images in data loading processes; or `device`: all
            images are decoded once into the memory of the device that trains, and augmented there in batches.
        num_workers: Number of data loading processes per training process; 0 to load in the process itself.
        precision: `f32`, or `bf16` for autocast to bfloat16.
        channels_last: Memory order of images and weights; faster on GPUs and with bf16.
        compile: Whether to use `torch.compile`: minutes of compilation, then faster steps. A smaller last batch
            of an epoch is compiled separately.
        cuda_graph: Whether forward and backward pass are one CUDA graph, of top-down and bottom-up networks on
            one GPU; elsewhere it is said in one line, and steps are taken as usual.
        sync_batch_norm: Whether batch norms take their statistics over all GPUs.
        max_grad_norm: The gradient's norm is clipped to this; 0 for no clipping.
        ema_decay: Decay of the averaged copy of the weights that is evaluated and saved; 0 for none.
        evaluate_every_epochs: Epochs between evaluations, besides the one at the end; 0 for no evaluation at
            all.
        save_every_steps: Steps between checkpoints, besides one at each evaluation; 0 for one per epoch.
        save_every_seconds: Seconds after which a checkpoint is due, besides those; 0 for no more of them.
        keep_checkpoints: Number of latest checkpoints to keep, besides the best.
        log_every_steps: Number of steps that each row of the log averages.
    """

    epochs: int = 210
    steps: int = 0
    seconds: float = 0.0
    batch_size: int = 128
    seed: int = 0
    data: str = "loader"
    num_workers: int = 4
    precision: str = "f32"
    channels_last: bool = False
    compile: bool = False
    cuda_graph: bool = False
    sync_batch_norm: bool = False
    max_grad_norm: float = 0.0
    ema_decay: float = 0.0
    evaluate_every_epochs: int = 10
    save_every_steps: int = 0
    save_every_seconds: float = 0.0
    keep_checkpoints: int = 2
    log_every_steps: int = 50

    def __post_init__(self) -> None:
        check_choice(self, "precision", PRECISIONS)
        check_choice(self, "data", DATA)
        check_range(self, 1, 1e9, "epochs", "batch_size", "keep_checkpoints", "log_every_steps")
        check_range(self, 0, 1e9, "steps", "seconds", "seed", "evaluate_every_epochs")
        check_range(self, 0, 1e9, "save_every_steps", "save_every_seconds")
        check_range(self, 0, MOST_WORKERS, "num_workers")
        check_range(self, 0, 1e9, "max_grad_norm")
        if self.steps and self.seconds:
            raise ValueError("seconds: given beside steps; keep one of them")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay: expected a number from 0 to below 1, got {self.ema_decay}")
