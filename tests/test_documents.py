"""Files to documents: values as Kubernetes reads them, places as an editor counts them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from rules.model import JSON, Path
from webhook import json_text
from webhook.documents import Document, Reading, parse, read_paths, read_text
from webhook.text import Mistake, Text
from webhook.yaml_text import DEEPEST
from webhook.yaml_writer import write, write_block

HEAD = "apiVersion: v1\nkind: Pod\n"


def _read(text: str | bytes, file: str = "a.yaml") -> Reading:
    return read_text(Text.of(file, text if isinstance(text, bytes) else text.encode()))


def _value(text: str) -> JSON:
    """The value of the one document in a text."""
    [document] = parse(Text("a.yaml", text))
    assert isinstance(document, Document), document
    return document.value


def _places(reading: Reading) -> list[tuple[int, int]]:
    return [(mistake.line, mistake.column) for mistake in reading.mistakes]


def _at(document: Document, *path: str | int) -> tuple[int, int]:
    place = document.place(path)
    return place.line, place.column


# Scalars. Source: kubernetes-sigs/yaml, goyaml.v2/resolve.go.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("y", "Y", "yes", "Yes", "on", "ON", "true", "True")),
        *((word, False) for word in ("n", "N", "no", "NO", "off", "Off", "false", "FALSE")),
        *((word, None) for word in ("~", "null", "Null", "")),
        *((word, word) for word in ("yEs", "oN", "tRUE", "nULL", "yess", "nan", "inf")),
        ("0777", 0o777),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("-0b11", -3),
        ("+7", 7),
        ("1_000", 1000),
        ("08", 8),
        ("0", 0),
        ("00", 0),
        ("1.0", 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("1e-3", 0.001),
        ("1e999", "1e999"),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616),
        ("0x10000000000000000", "0x10000000000000000"),
        ("12:30:45", "12:30:45"),
        ("2001-12-14", "2001-12-14"),
        ("2001-12-14T21:59:43Z", "2001-12-14T21:59:43Z"),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("0x", "0x"),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!int '7'", 7),
        ("!!float 7", 7),
        ("!custom x", "x"),
        ("! 5", "5"),
        ("!!binary aGVsbG8=", "hello"),
    ],
)
def test_a_plain_scalar_is_read_as_kubernetes_reads_it(text: str, value: JSON) -> None:
    found = _value(f"- {text}\n")[0] if text != "-" else _value("['-']")[0]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", "!!int x", "!!null x", "!!binary '?'"])
def test_what_json_cannot_hold_is_a_mistake_at_its_place(text: str) -> None:
    reading = _read(f"{HEAD}a: {text}\n")
    assert not reading.documents
    assert _places(reading) == [(3, 4)]


def test_keys_become_strings() -> None:
    assert _value("{on: a, 1: b, 1.5: c, 0x10: d, 2001-01-01: e}") == {
        "true": "a",
        "1": "b",
        "1.5": "c",
        "16": "d",
        "2001-01-01": "e",
    }


@pytest.mark.parametrize("key", ["[a]", "{a: b}", "~"])
def test_a_key_that_is_no_text_is_a_mistake(key: str) -> None:
    assert _places(_read(f"{HEAD}? {key}\n: 1\n")) == [(3, 3)]


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "on: 1\nb: 2\n'true': 3\n"])
def test_a_key_that_stands_twice_is_a_mistake_where_it_stands_again(text: str) -> None:
    [mistake] = _read(text).mistakes
    assert (mistake.line, mistake.column) == (3, 1)
    assert "second time" in mistake.message


def test_a_key_that_stands_twice_in_json_is_one_too() -> None:
    text = '{"a": {"b": 1},\n "c": [{"d": 1, "e": 2,\n "d": 3}]}'
    for broken in (text, text[:-1]):
        [mistake] = _read(broken, "a.json").mistakes
        assert (mistake.line, mistake.column) == (3, 2)
        assert "second time" in mistake.message


def test_aliases_and_merges_are_resolved() -> None:
    assert _value(
        "a: &x {k: 1, l: 2}\nb: *x\nc: {<<: *x, l: 3}\nd: {<<: [{m: 4}, *x, {m: 5}]}"
    ) == {
        "a": {"k": 1, "l": 2},
        "b": {"k": 1, "l": 2},
        "c": {"k": 1, "l": 3},
        "d": {"k": 1, "l": 2, "m": 4},
    }


def test_of_a_merge_and_a_key_the_later_counts_as_in_kubernetes() -> None:
    assert _value("{a: 1, <<: {a: 2, b: 2}, b: 3}") == {"a": 2, "b": 3}
    assert _value("{'<<': 1}") == {"<<": 1}


@pytest.mark.parametrize(
    "text",
    ["<<: 1", "<<: [a]", "b: *nowhere", "a: &x [*x]", "a: &x {b: *x}", "a: &x 1\nb: &x [*x]"],
)
def test_an_alias_or_merge_that_means_nothing_is_a_mistake(text: str) -> None:
    reading = _read(HEAD + text)
    assert not reading.documents
    assert len(reading.mistakes) == 1


def test_an_alias_has_the_place_where_it_stands() -> None:
    [document] = _read(f"{HEAD}a: &x hello\nb: *x\nc: &y {{d: 1}}\ne: *y\n").documents
    assert _at(document, "b") == (4, 4)
    assert _at(document, "e") == (6, 1)
    assert _at(document, "e", "d") == (5, 11)


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)),
        f"a: &a {{{', '.join(f'k{i}: 1' for i in range(1000))}}}\nb:\n" + "- {<<: *a}\n" * 2000,
    ],
    ids=["billion laughs", "merges"],
)
def test_a_bomb_of_aliases_is_refused(text: str) -> None:
    [mistake] = _read(text).mistakes
    assert "aliases repeat more than" in mistake.message


@pytest.mark.parametrize("opener", ["[", "{a: ", "- ", "? ", "[{a: ", '{"a":', "[["])
@pytest.mark.parametrize("file", ["a.yaml", "a.json", "-"])
def test_what_is_nested_too_deeply_is_refused(opener: str, file: str) -> None:
    reading = _read(opener * 100_000, file)
    assert not reading.documents
    assert len(reading.mistakes) == 1


def test_as_deep_as_allowed_is_read() -> None:
    assert _value("[" * DEEPEST + "]" * DEEPEST) != []


# Documents


def test_one_broken_document_hides_no_other() -> None:
    text = f"{HEAD}---\na: [\n---\n{HEAD}---\nb: c: d\n--- # a comment\n{HEAD}"
    reading = _read(text)
    assert [_at(document) for document in reading.documents] == [(1, 1), (6, 1), (11, 1)]
    assert _places(reading) == [(4, 4), (9, 5)]


def test_empty_documents_are_left_out() -> None:
    text = f"# only a comment\n---\n---\n\n--- # another\n{HEAD}---\n...\n---\nnull\n---"
    reading = _read(text)
    assert len(reading.documents) == 1
    assert not reading.mistakes


def test_directives_belong_to_the_document_they_precede() -> None:
    start = "# licence\n%YAML 1.1\n%TAG !e! tag:e.example,2026:\n---\n"
    text = f"{start}{HEAD}...\n%YAML 1.1\n---\n{HEAD}"
    reading = _read(text)
    assert [_at(document) for document in reading.documents] == [(5, 1), (10, 1)]
    assert not reading.mistakes


def test_a_separator_inside_a_value_separates_nothing() -> None:
    value = _value("a: |\n  ---\n  b\nc: ---d\n")
    assert value == {"a": "---\nb\n", "c": "---d"}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("apiVersion: v1\nspec:\n{}\n", 3, 1, "':'"),
        ("a: 1\nhello\nb: 2\n", 2, 1, "':'"),
        ("a:\n\tb: 1\n", 2, 1, "tab"),
        ("a: {{ .Values.a }}\n", 1, 5, "helm template"),
        ("a: 'b\nc: d\n", 1, 4, "end of stream"),
        ("a: \x00", 1, 4, "U+0000"),
        ("a: b\x1b[31m", 1, 5, "U+001B"),
        ("a: b\nc: \ufeffd\n", 2, 4, "U+FEFF"),
        ("- a\n", 1, 1, "this is a list"),
        ("hello\n", 1, 1, "this is a string"),
        ("5", 1, 1, "this is a number"),
        ("a: 1\n", 1, 1, "apiVersion and kind are missing"),
        ("apiVersion: v1\n", 1, 1, "kind is missing"),
        ("kind: ''\napiVersion: v1\n", 1, 1, "kind is missing"),
        ("kind: 5\napiVersion: v1\n", 1, 7, "kind is 5; it must be a string"),
    ],
)
def test_a_mistake_has_its_place(text: str, line: int, column: int, words: str) -> None:
    [mistake] = _read(text).mistakes
    assert (mistake.line, mistake.column) == (line, column)
    assert words in mistake.message


# samples.md, "Text as people paste it"
def test_lost_indentation_is_asked_for() -> None:
    kind = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
    lost = f"{kind}metadata:\nname: strict-mtls\nnamespace: x\nspec:\nmtls:\nmode: STRICT\n"
    [mistake] = _read(lost).mistakes
    assert (mistake.line, mistake.column) == (3, 1)
    assert mistake.message == (
        "metadata is empty, and name, namespace stand beside it: was the indentation lost?"
    )
    [mistake] = _read(f"{kind}metadata: {{}}\nname: a\n").mistakes
    assert "and name stands beside it" in mistake.message


def test_a_kind_with_its_own_name_at_the_top_is_none_of_that() -> None:
    assert not _read("apiVersion: k/v1\nkind: Kustomization\nnamespace: a\n").mistakes
    assert not _read(f"{HEAD}metadata:\nspec: {{}}\n").mistakes


def test_bytes_that_are_no_text_spoil_their_document_only() -> None:
    reading = _read(HEAD.encode() + b"---\na: caf\xe9\n---\n" + HEAD.encode())
    assert len(reading.documents) == 2
    [mistake] = reading.mistakes
    assert (mistake.line, mistake.column, mistake.message) == (4, 7, "the byte 0xE9 is not UTF-8")
    [mistake] = _read(b'{"a": "\xff"}', "a.json").mistakes
    assert (mistake.line, mistake.column) == (1, 8)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_byte_order_mark_is_no_part_of_the_text(encoding: str) -> None:
    [document] = _read(f"{HEAD}a: ä€\n".encode(encoding)).documents
    assert document.value["a"] == "ä€"
    assert _at(document) == (1, 1)


def test_utf_16_cut_in_the_middle_is_a_mistake() -> None:
    assert _read(HEAD.encode("utf-16")[:-1]).mistakes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_count_characters_and_lines_any_end(end: str) -> None:
    text = f"apiVersion: v1{end}kind: Pod{end}'ä😀': x{end}b:{end}  - 'é€': hello"
    [document] = _read(text).documents
    assert _at(document, "ä😀") == (3, 7)
    assert _at(document, "b", 0, "é€") == (5, 11)


# Lists


def test_items_of_lists_are_objects_with_their_own_places() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: {a: 1}\n"
        "- 5\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Secret, a: b}\n"
    )
    reading = _read(text)
    pod, secret = reading.documents
    assert _at(pod, "spec", "a") == (6, 13)
    assert (secret.value["kind"], _at(secret, "a")) == ("Secret", (11, 39))
    assert _places(reading) == [(7, 3)]


def test_items_of_a_typed_list_are_of_its_kind() -> None:
    text = (
        '{"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [\n {"spec": {"a": 1}}]}'
    )
    [document] = _read(text).documents
    assert document.value == {"apiVersion": "v1", "kind": "Pod", "spec": {"a": 1}}
    assert _at(document, "spec", "a") == (2, 17)


def test_a_named_object_whose_kind_ends_in_list_is_an_object() -> None:
    text = "{apiVersion: a/v1, kind: AllowList, metadata: {name: a}, items: [1]}"
    assert _read(text).documents[0].value["kind"] == "AllowList"


@pytest.mark.parametrize("items", ["", "items: []\n", "items: null\n"])
def test_an_empty_list_holds_nothing(items: str) -> None:
    assert _read(f"apiVersion: v1\nkind: List\n{items}") == Reading(
        texts=(Text("a.yaml", f"apiVersion: v1\nkind: List\n{items}"),)
    )


# JSON


def test_json_is_read_as_json() -> None:
    pod = '{"apiVersion":"v1","kind":"Pod",\t"a":"\\ud83d\\ude00\\/","b":1.5}'
    text = pod + '\n\n{"kind":"X","apiVersion":"v1"}'
    first, second = _read(text, "-").documents
    assert (first.value["a"], first.value["b"]) == ("😀/", 1.5)
    assert _at(second) == (3, 1)


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": 1e999}', '{"a": 1' + "0" * 5000 + "}", '{"a"']
)
def test_what_is_no_json_is_a_mistake(text: str) -> None:
    [mistake] = _read(text, "a.json").mistakes
    assert "this is no JSON" in mistake.message


def test_flow_style_yaml_is_no_broken_json() -> None:
    assert _read("{apiVersion: v1, kind: Pod}", "-").documents
    assert "JSON" in _read('{"apiVersion": "v1", "kind": ', "-").mistakes[0].message
    assert "JSON" in _read("{apiVersion: v1, kind: Pod}", "a.json").mistakes[0].message


# Places: every value where a slow reader finds it


def _nodes(node: yaml.Node, path: Path = ()) -> Iterator[tuple[Path, yaml.Node, yaml.Node | None]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            yield inner, value, key
            yield from _nodes(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = (*path, index)
            yield inner, value, None
            yield from _nodes(value, inner)


def _compose(text: str) -> yaml.Node:
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    assert root is not None
    return root


_KEYS = st.text(st.characters(min_codepoint=97, max_codepoint=0x17F, categories=["Ll"]), min_size=2)
_TEXTS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], max_codepoint=0xFFFD))
_VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=15,
)
_OBJECTS = st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=4)


@given(_OBJECTS, st.sampled_from([write, write_block]))
def test_what_was_written_reads_back(value: JSON, writer: Any) -> None:
    assert _value(writer(value)) == value


@given(_OBJECTS, st.sampled_from([write, write_block]))
def test_places_in_yaml_agree_with_the_slow_parser(value: JSON, writer: Any) -> None:
    text = writer(value)
    [document] = parse(Text("a.yaml", text))
    assert isinstance(document, Document)
    for path, node, key in _nodes(_compose(text)):
        scalar = isinstance(node, yaml.ScalarNode) and node.start_mark.index < node.end_mark.index
        mark = node.start_mark if scalar or key is None else key.start_mark
        assert _at(document, *path) == (mark.line + 1, mark.column + 1)
        if key is not None:
            at = document.place(path, key=True)
            assert (at.line, at.column) == (key.start_mark.line + 1, key.start_mark.column + 1)


@given(_OBJECTS, st.sampled_from([{}, {"indent": 0}, {"indent": 2, "ensure_ascii": False}]))
def test_places_in_json_agree_with_those_in_yaml(value: JSON, style: dict[str, Any]) -> None:
    text = Text("a.yaml", json.dumps(value, **style))
    [(found, marks)] = json_text.read(text)
    assert found == value
    for path, node, key in _nodes(_compose(text.content)):
        mark = (
            node.start_mark if key is None or isinstance(node, yaml.ScalarNode) else key.start_mark
        )
        place = marks.place(path)
        assert (place.line, place.column) == (mark.line + 1, mark.column + 1)
        missing = marks.place((*path, "not there", 0))
        assert missing == place


def test_what_is_missing_has_the_place_of_its_nearest_parent() -> None:
    [document] = _read(f"{HEAD}metadata:\n  labels:\n    a: b\nspec:\n").documents
    assert _at(document, "metadata", "labels", "c") == (4, 3)
    assert _at(document, "metadata", "annotations", "c") == (3, 1)
    assert _at(document, "spec", "containers", 0, "name") == (6, 1)
    assert _at(document, "status") == (1, 1)
    assert document.place(("metadata", "labels", "a")).width == 1
    assert document.place(("metadata", "labels")).width == len("labels")


_MIX = st.sampled_from(
    [
        *(
            "---\n",
            "...\n",
            "- ",
            "a: ",
            "b:\n  ",
            "{",
            "}",
            "[",
            "]",
            "'",
            '"',
            "&x ",
            "*x",
            "<<: ",
        ),
        *("# c\n", "\n", "\r\n", "\t", "  ", "? ", "|\n", ">-\n", "!!int ", "!e!x ", "%YAML 1.1\n"),
        *("on", "1e3", ".inf", "apiVersion: v1\n", "kind: PodList\n", "items:\n", '{"a": 1,'),
        *("\\ud800", "\u00e4", "\x85", "\u2028", "\ufeff", "\x00", "{{ .x }}"),
    ]
)


@given(st.binary() | st.text().map(str.encode) | st.lists(_MIX).map(lambda p: "".join(p).encode()))
@example(b"a: \xff\n---\n\xfe\xff")
@example(b"\xff\xfe\x00")
@example(b'{"a": {"b": 1, "b": 2}, "c": [1, 2')
def test_any_bytes_give_documents_or_mistakes(data: bytes) -> None:
    for file in ("a.yaml", "a.json"):
        text = Text.of(file, data)
        lines = text.content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        reading = read_text(text)
        for document in reading.documents:
            assert isinstance(document.value["kind"], str)
            assert document.place().line <= len(lines)
        for mistake in reading.mistakes:
            assert 1 <= mistake.line <= len(lines)
            assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1


# Files and folders


def test_folders_are_read_recursively_by_suffix(tmp_path: FilePath) -> None:
    for name in ("b.yaml", "a/c.yml", "a/d.json", "e.txt", ".hidden.yaml", ".git/f.yaml"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text('{"apiVersion": "v1", "kind": "Pod"}')
    folder = str(tmp_path)
    reading = read_paths([folder, folder, f"{folder}/b.yaml"], lambda: b"")
    assert [d.file.removeprefix(folder) for d in reading.documents] == [
        "/b.yaml",
        "/a/c.yml",
        "/a/d.json",
    ]


def test_a_file_named_is_read_whatever_its_suffix(tmp_path: FilePath) -> None:
    (tmp_path / "pod.txt").write_text(HEAD)
    assert read_paths([str(tmp_path / "pod.txt")], lambda: b"").documents


def test_what_cannot_be_read_hides_nothing_else(tmp_path: FilePath) -> None:
    (tmp_path / "a.yaml").write_text(HEAD)
    absent = str(tmp_path / "absent.yaml")
    reading = read_paths([absent, "-", str(tmp_path)], HEAD.encode)
    assert [document.file for document in reading.documents] == ["-", str(tmp_path / "a.yaml")]
    assert reading.mistakes == (Mistake(absent, 1, 1, "cannot be read: No such file or directory"),)
