"""What a model is trained on, and how: a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assessors.boosting import BoostingSettings
from assessors.errors import TrainingRecipeError
from assessors.networks.buiqa import BuiqaSettings
from assessors.networks.memory import MemorySettings
from assessors.networks.multitask import MultitaskSettings
from assessors.networks.set_network import SetNetworkSettings
from assessors.training import TrainingSettings


class TrainingRecipe(BaseModel):
    """A recipe.

    Attributes:
        dataset: the data set or pack, relative to the recipe, or an address.
        name: how the model will call itself.
        kind: what it is; an ensemble is the mean of networks and of boosting.
        scenarios: the scenarios meant; None for all that have labels.
        estimators: by which estimators of each scenario, the first of them the one that scores are given by; None for the preferred one.
        metric: fidelity metric of the labels.
        train: split to learn from.
        validation: split by which the best weights are chosen.
        fold: fold of cross-validation that is left out as `test`.
        network: sizes of a set network.
        training: how it is trained.
        boosting: how trees are grown.
        buiqa: sizes and parts of the network of that kind; likewise the next two.
        memory: sizes and ways.
        multitask: sizes and parts.
        networks: how many networks an ensemble has, each of another seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = Field(min_length=1)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    kind: Literal["boosting", "buiqa", "ensemble", "memory", "multitask", "set_network"] = "set_network"
    scenarios: tuple[str, ...] | None = None
    estimators: tuple[str, ...] | None = None
    metric: str = "psnr"
    train: str = "train"
    validation: str = "val"
    fold: int | None = None
    network: SetNetworkSettings = SetNetworkSettings()
    training: TrainingSettings = TrainingSettings()
    boosting: BoostingSettings = BoostingSettings()
    buiqa: BuiqaSettings = BuiqaSettings()
    memory: MemorySettings = MemorySettings()
    multitask: MultitaskSettings = MultitaskSettings()
    networks: int = Field(default=1, ge=1, le=16)


def read_training_recipe(path: Path) -> TrainingRecipe:
    """Read and check a recipe.

    Raises:
        TrainingRecipeError: naming the file, the key and what is expected.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingRecipeError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingRecipeError(f"{path}: not valid TOML: {error}") from error
    try:
        return TrainingRecipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise TrainingRecipeError(f"{path}: {key}: {first['msg']}; got {str(first['input'])[:60]!r}") from None
