"""The records of the families fit together, and say the truth about the weights that ship."""

import subprocess
import sys
from dataclasses import fields

import pytest

from models.metadata import find_embedded, read_metadata
from models.settings import SettingsError
from models.training.recipe import list_recipes
from posetrack.errors import RecipeError
from posetrack.families.table import (
    FAMILIES,
    find_role,
    find_training,
    list_embedded,
    list_importable,
    load_families,
)
from posetrack.predictors.settings import DenseSettings, DetectorSettings, EstimatorSettings

RECORDS = {family.name: family for family in load_families()}


def test_the_families_are_those_of_the_table():
    assert list(RECORDS) == list(FAMILIES)


def test_no_two_families_share_a_name():
    # Within a family, a network may have several roles.
    roles = [
        name
        for family in RECORDS.values()
        for name in {name for role in family.roles.values() for name in role.networks}
    ]
    trainings = [
        name for family in RECORDS.values() for training in family.trainings for name in training.networks
    ]
    assert len(roles) == len(set(roles))
    assert len(trainings) == len(set(trainings))
    assert len(list_embedded()) == sum(len(family.embedded) for family in RECORDS.values())
    assert len(list_importable()) == sum(len(family.importable) for family in RECORDS.values())


@pytest.mark.parametrize("name", RECORDS)
def test_traits_are_settings_that_a_recipe_may_leave_out(name):
    for role in RECORDS[name].roles.values():
        settings = role.settings()
        assert "skeleton" in role.traits
        assert role.traits.keys() <= {entry.name for entry in fields(settings)}
        assert not any(getattr(settings, trait) for trait in role.traits)
        complete = role.complete(settings, None, "detector")
        assert {trait: getattr(complete, trait) for trait in role.traits} == dict(role.traits)


@pytest.mark.parametrize("name", RECORDS)
def test_settings_are_those_of_the_table_that_they_stand_in(name):
    bases = {"detector": DetectorSettings, "estimator": EstimatorSettings, "dense": DenseSettings}
    for table, role in RECORDS[name].roles.items():
        assert issubclass(role.settings, bases[table])


@pytest.mark.parametrize("name", list_embedded())
def test_weights_that_ship_say_what_they_are(name):
    metadata = read_metadata(find_embedded(name))
    (family,) = [family for family in RECORDS.values() if name in family.embedded]
    (role,) = [role for role in family.roles.values() if metadata.network in role.networks]
    assert metadata.training
    if metadata.network in role.without_poses:
        assert metadata.traits == {}
    else:
        # Made before this was a trait; the value assumed without it is right for them.
        younger = {"charts"} if name == "mobile-densepose-b" else set()
        assert metadata.traits.keys() == role.traits.keys() - younger
    complete = role.complete(role.settings(), metadata, "detector")
    assert complete.network == metadata.network
    assert complete.skeleton == "coco17"


@pytest.mark.parametrize("kind", list_importable())
def test_kinds_that_can_be_imported_are_of_networks_that_there_are(kind):
    importable = list_importable()[kind]
    (family,) = [family for family in RECORDS.values() if kind in family.importable]
    networks = [name for role in family.roles.values() for name in role.networks]
    networks += family.flows
    networks += [name for training in family.trainings for name in training.networks]
    assert importable.network in networks
    for role in family.roles.values():
        if importable.network in role.networks:
            assert importable.traits.keys() <= role.traits.keys()


def test_every_file_that_ships_is_in_a_record_and_has_a_card():
    folder = find_embedded("x").parent
    assert {path.stem for path in folder.glob("*.safetensors")} == set(list_embedded())
    assert {path.stem for path in folder.glob("*.md")} == set(list_embedded())


def test_networks_are_found_by_name_and_mistakes_are_named():
    assert find_role("hrnet-w32", "estimator", "x") is RECORDS["hrnet"].estimator
    with pytest.raises(RecipeError, match=r"x: hrnet-w32 belongs into \[estimator\]; name it there"):
        find_role("hrnet-w32", "detector", "x")
    with pytest.raises(
        RecipeError, match=r"x: unknown network 'movenet-multipoze'; did you mean 'movenet-multipose'"
    ):
        find_role("movenet-multipoze", "detector", "x")
    assert find_training("swahr-w32", "x") is RECORDS["swahr"].trainings[0]
    with pytest.raises(SettingsError, match=r"x: unknown 'hrnet-w33'; did you mean 'hrnet-w3?\d'"):
        find_training("hrnet-w33", "x")


def test_no_two_training_recipes_share_a_name():
    names = [name for family in FAMILIES for name in list_recipes(family)]
    assert len(names) == len(set(names))
    assert len(names) >= 80


def test_names_are_looked_up_without_torch():
    code = (
        "import sys; from posetrack.recipe import read_recipe; "
        "from posetrack.recipe_files import list_recipes; "
        "[read_recipe(name) for name in list_recipes()]; "
        "sys.exit({'torch', 'torchvision', 'timm'} & set(sys.modules) != set())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
