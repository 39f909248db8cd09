"""A person's own keys and colours: what may be changed, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dashboard.actions import ACTIONS, changed_keys
from appliance.dashboard.budget import Budget
from appliance.dashboard.keymap import ANSWERS, LISTS, KeymapError, key_name, with_keys
from appliance.dashboard.palette import PALETTES, PAPER
from appliance.dashboard.preferences import (
    Preferences,
    PreferencesError,
    preferences_of,
    read_preferences,
    usual_place,
)

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "dashboard.md"


def test_every_action_has_a_name_of_its_own_and_can_get_another_key() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        table = with_keys({action.id: "f9"})
        assert changed_keys(table) == {action.id: "f9"}
        (changed,) = [each for each in table if each.id == action.id]
        assert (changed.name, changed.screens) == (action.name, action.screens)


def test_keys_are_written_as_they_are_printed() -> None:
    table = with_keys({"help": "?,#", "closer": "*", "stop": "F, f12, ctrl+t"})
    keys = {each.id: each.keys for each in table}
    assert keys["help"] == "question_mark,number_sign"
    assert keys["closer"] == "asterisk"
    assert keys["stop"] == "F,f12,ctrl+t"
    assert [key_name(sign) for sign in "+-=/["] == [
        "plus", "minus", "equals_sign", "slash", "left_square_bracket",
    ]  # fmt: skip


def test_two_actions_may_change_places() -> None:
    table = with_keys({"acknowledge": "z", "shelve": "a"})
    assert changed_keys(table) == {"acknowledge": "z", "shelve": "a"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"acknowledge": "z"}, "'z' is the key of acknowledge"),
        ({"no such": "f9"}, "keys.no such: there is no such action"),
        ({"stop": "ctrl+alt+delete"}, "is not a key"),
        ({"stop": ""}, "'' is not a key"),
        ({"stop": "ctrl+m"}, "is not a key"),
        ({"help": "j"}, "'j' moves in lists"),
        ({"help": "ctrl+p"}, "moves in lists"),
        ({"help": "."}, "runs a recording"),
        ({"help": "space"}, "runs a recording"),
        ({"reset": "y"}, "must not begin an act"),
        ({"stop": "S,n"}, "must not begin an act"),
        ({"next": "v", "verdict": "n"}, "must not begin an act"),
        ({"filter": "x"}, "'x' is the key of filter"),
    ],
)
def test_keys_that_would_confuse_are_refused(keys: dict[str, str], words: str) -> None:
    with pytest.raises(KeymapError, match=words):
        with_keys(keys)


@given(
    st.dictionaries(
        st.sampled_from([action.id for action in ACTIONS]),
        st.text("abyzjnS?,+ ", min_size=1, max_size=4),
        max_size=4,
    )
)
def test_a_table_that_is_taken_is_safe(keys: dict[str, str]) -> None:
    try:
        table = with_keys(keys)
    except KeymapError:
        return
    owned = [key for action in table for key in action.keys.split(",")]
    seen = {(key, a.id) for a in table for key in a.keys.split(",")}
    assert len({key for key, _ in seen}) == len(seen)
    assert not LISTS & set(owned)
    acting = {k for a in table if a.name.startswith("act(") for k in a.keys.split(",")}
    assert not acting & ANSWERS


def test_a_file_says_what_a_person_wants() -> None:
    wanted = preferences_of(
        'theme = "paper"\nframes_hz = 1\nbytes_per_s = 2400\nmouse = false\n'
        '[keys]\nacknowledge = "f2"\n'
    )
    assert (wanted.theme, wanted.frames_hz, wanted.bytes_per_s) == ("paper", 1.0, 2400)
    assert not wanted.mouse
    assert changed_keys(wanted.actions) == {"acknowledge": "f2"}
    assert preferences_of("") == Preferences()


@pytest.mark.parametrize(
    "text",
    [
        "theme = ", 'theme = "pink"', 'themes = "paper"', "frames_hz = 0",
        "frames_hz = 1000", "bytes_per_s = -1", 'mouse = "yes"', "keys = 3",
        "[keys]\nstop = 3", '[keys]\nstop = "y"', '[keys]\nfly = "f9"',
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(PreferencesError):
        preferences_of(text)


@given(st.text(max_size=200))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        preferences_of(text)
    except PreferencesError:
        return


def test_a_file_is_named_where_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.toml"
    with pytest.raises(PreferencesError, match=r"dashboard\.toml: .*No such file"):
        read_preferences(path)
    path.write_bytes(b"\xff")
    with pytest.raises(PreferencesError, match=r"dashboard\.toml"):
        read_preferences(path)
    path.write_text('theme = "pink"')
    with pytest.raises(PreferencesError, match="theme: 'pink' is none of"):
        read_preferences(path)
    path.write_text('theme = "mono"')
    assert read_preferences(path).theme == "mono"


def test_the_file_lies_where_such_files_lie() -> None:
    place = usual_place({"HOME": "/home/anna"})
    assert str(place) == "/home/anna/.config/wheeltapper/dashboard.toml"
    place = usual_place({"HOME": "/home/anna", "XDG_CONFIG_HOME": "/cfg"})
    assert str(place) == "/cfg/wheeltapper/dashboard.toml"


def test_a_slow_line_gets_no_more_than_it_bears() -> None:
    budget = Budget(1000)
    sent, now_s = 0, 0.0
    for _ in range(240):
        if budget.may_draw(now_s):
            budget.spend(900)
            sent += 900
        now_s += 0.25
    assert sent <= 1000 * now_s + 900
    assert sent >= 0.7 * 1000 * now_s
    assert budget.written_bytes == sent


def test_a_key_is_answered_at_once_and_paid_back_later() -> None:
    budget = Budget(1000)
    assert budget.may_draw(0.0)
    budget.spend(5000)
    assert not budget.may_draw(4.0)
    assert budget.may_draw(5.0)


def test_without_a_bound_everything_is_drawn() -> None:
    budget = Budget(0)
    budget.spend(10**9)
    assert budget.may_draw(0.0)


def test_the_page_names_every_action_and_theme_and_its_sample_is_taken() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in (*(action.id for action in ACTIONS), *PALETTES):
        assert f"`{name}`" in page, name
    (sample,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    wanted = preferences_of(sample)
    assert changed_keys(wanted.actions) == {"acknowledge": "f2", "stop": "S,f12"}
    assert wanted.theme == PAPER
