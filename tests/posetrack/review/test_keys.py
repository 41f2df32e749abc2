"""The page's keys and its documentation tell the same."""

import re
from pathlib import Path

from posetrack.review import site

ROOT = Path(__file__).parents[3]
ACTIONS = (Path(site.__file__).parent / "page" / "actions.js").read_text()


def test_the_table_of_keys_is_that_of_the_page():
    actions = re.findall(r'text: "([^"]+)", keys: \["([^"]+)"', ACTIONS)
    texts = [text for text, _ in actions]
    assert len(texts) > 30
    table = (ROOT / "docs" / "review.md").read_text().partition("## Keys")[2].partition("##")[0]
    rows = re.findall(r"^\| `(.+)` \| (.+) \|$", table, re.MULTILINE)
    assert sorted(text for _, text in rows) == sorted(texts)
    shown = dict(re.findall(r'text: "([^"]+)", keys: .*?shown: "([^"]+)"', ACTIONS))
    for keys, text in rows:
        plain = keys.replace("` `", " ").replace("Shift ", "⇧").replace(" ", "")
        expected = shown.get(text, dict(actions)[text].replace("+", ""))
        assert plain.lower() == expected.replace(" ", "").lower()


def test_no_key_does_two_things():
    lists = re.findall(r'keys: \[((?:"[^"]+"(?:, )?)+)\](?!\.flatMap)', ACTIONS)
    keys = [key for each in lists for key in re.findall(r'"([^"]+)"', each)]
    assert len(keys) > 30
    assert len(set(keys)) == len(keys)
