from dataclasses import dataclass

import pytest

from models.settings import SettingsError, check_tables, read_table, read_tables


@dataclass(frozen=True)
class Settings:
    name: str
    rate: float = 0.5
    steps: tuple[int, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    is_on: bool = False

    def __post_init__(self):
        if self.rate < 0:
            raise ValueError(f"rate: expected 0 or more, got {self.rate}")


def test_values_are_converted():
    table = {"name": "a", "rate": 1, "steps": [1, 2], "pair": [1, 2.5], "is_on": True}
    settings = read_table(Settings, table, "x.toml: settings")
    assert settings == Settings("a", 1.0, (1, 2), (1.0, 2.5), True)
    assert type(settings.rate) is float


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"nam": "a"}, "settings: unknown key 'nam'; did you mean 'name'?"),
        (
            {"q" * 3000: 1},
            "settings: unknown key 'qqqqqqqqqqqq...qqqqqqqqqqqqq'; known: name, rate, steps, pair, is_on",
        ),
        ({}, "settings: 'name' is missing"),
        ({"name": 3}, "settings.name: expected a text, got 3"),
        ({"name": "a", "is_on": 1}, "settings.is_on: expected true or false, got 1"),
        ({"name": "a", "rate": True}, "settings.rate: expected a number, got True"),
        ({"name": "a", "steps": 3}, "settings.steps: expected a list of whole numbers, got 3"),
        ({"name": "a", "steps": [1.5]}, "settings.steps: expected a whole number, got 1.5"),
        ({"name": "a", "pair": [1.0]}, "settings.pair: expected a list of 2 numbers, got [1.0]"),
        ({"name": "a", "rate": -1}, "settings.rate: expected 0 or more, got -1.0"),
    ],
)
def test_wrong_tables_are_named(table, message):
    with pytest.raises(SettingsError) as caught:
        read_table(Settings, table, "settings")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[setting]\n", "r.toml: unknown table 'setting'; did you mean 'settings'?"),
        ("settings = 3\n", "r.toml: 'settings' is a table; write it as [settings]"),
        ("[settings\n", "not valid TOML"),
    ],
)
def test_wrong_files_are_named(tmp_path, text, message):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_tables(path, {"settings": Settings})
    assert message in str(caught.value)


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(SettingsError, match=r"r.toml: cannot be read"):
        read_tables(tmp_path / "r.toml", {"settings": Settings})


def test_a_long_name_of_a_table_is_shortened():
    with pytest.raises(SettingsError) as caught:
        check_tables({"trac" + "9" * 5000: {}}, ["tracker"], "mine.toml")
    assert len(str(caught.value)) < 200
