"""What a training needs of a family: network, data, losses and evaluation; and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from models.training.stages import StageConfig

ComputeLosses = Callable[[nn.Module, Any], Mapping[str, Tensor]]
"""Computes losses by name from network and batch, each a scalar mean over the batch; their sum is minimised."""


@dataclass(frozen=True)
class SplitLosses:
    """Losses in two parts: the first makes targets and inputs, the second takes tensors of fixed shapes.

    Attributes:
        prepare: Makes of a batch the mapping of tensors, and lists of them, that the second part takes.
        compute: Computes the losses by name from network and that.
    """

    prepare: Callable[[Any], Mapping[str, Any]]
    compute: Callable[[nn.Module, Mapping[str, Any]], Mapping[str, Tensor]]

    def __call__(self, network: nn.Module, batch: Any) -> Mapping[str, Tensor]:
        """Compute the losses by name from network and batch."""
        return self.compute(network, self.prepare(batch))


Prepare = Callable[[Any], Any]
"""Makes of a batch on the device the one that the losses take."""

Evaluate = Callable[[nn.Module, int], Mapping[str, float | None]]
"""Evaluates a network (in evaluation mode) after a number of epochs; the first metric decides which is best."""


@dataclass(frozen=True)
class TrainingStage:
    """A stage with its data.

    Attributes:
        config: Its length, batch size and rate.
        dataset: Its samples, indexed by (epoch, index); as many as in other stages.
        compute_losses: Computes the losses of a batch.
        prepare: Prepares a batch for that, where its samples are not all of it.
    """

    config: StageConfig
    dataset: Dataset[Any]
    compute_losses: ComputeLosses
    prepare: Prepare | None = None


@dataclass(frozen=True)
class Task:
    """What to train: network, data, losses and evaluation.

    Attributes:
        network: The network with its initial weights, on any device.
        dataset: The data set, indexed by (epoch, index); its samples can be collated by `DataLoader`.
        num_samples: Number of samples in the data set.
        compute_losses: Computes the losses of a batch.
        evaluate: Evaluates the network; called in the main process only.
        recipe_text: The recipe, which is stored in checkpoints.
        data_digest: Digest of the annotations, likewise; empty for none.
        collate: Makes a batch of samples; None for torch's default.
        body: Prefixes of the names of the parameters to which `OptimizerConfig.body_factor` applies.
        stages: Its stages, each with data and losses of its own; empty for one of the loop's length with these.
        prepare: Prepares a batch for the losses, where its samples are not all of it.
    """

    network: nn.Module
    dataset: Dataset[Any]
    num_samples: int
    compute_losses: ComputeLosses
    evaluate: Evaluate | None = None
    recipe_text: str = ""
    data_digest: str = ""
    collate: Callable[[list[Any]], Any] | None = None
    body: tuple[str, ...] = ()
    stages: tuple[TrainingStage, ...] = ()
    prepare: Prepare | None = None


@dataclass(frozen=True)
class StepReport:
    """A finished step.

    Attributes:
        step: Its number, from 1.
        num_steps: The number of all steps; 0 where the training's length is a time.
        seconds: Time of the training so far.
        num_seconds: The training's length where it is a time, else 0.
        epoch: Its epoch, from 0.
        losses: Its losses by name.
        learning_rate: Its learning rate.
        samples_per_s: Samples per second since the last row of the log.
    """

    step: int
    num_steps: int
    seconds: float
    num_seconds: float
    epoch: int
    losses: Mapping[str, float]
    learning_rate: float
    samples_per_s: float
