"""Texts as lists of token ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bmc_programs.parts.core import Array, Columns, DataError
from bmc_programs.parts.tables import Text, place_of, text_lines

WORD = re.compile(r"\w+|[^\w\s]")
Tokens = list[Array]


def read_text(path: Path) -> str:
    """The whole text of a UTF-8 file, with line feeds only."""
    text = "".join(text_lines(path)).replace("\r\n", "\n")
    if not text:
        raise DataError(f"{path}: is empty, expected a text")
    return text


def lowercase(text: Text) -> Text:
    """The texts in small letters."""
    return text.with_values([value.lower() for value in text.values])


def cut_words(value: str) -> list[str]:
    """The words of a text: runs of letters and digits, and single other signs."""
    return WORD.findall(value)


def join_words(parts: dict[str, list[str]]) -> list[str]:
    """The words of all parts one after the other."""
    return [word for words in parts.values() for word in words]


def learn_words(
    texts: Iterable[list[str]], learned: dict[str, Any], most: int | None = None
) -> dict[str, int]:
    """The places of the words, by falling frequency; at most so many words."""
    if not learned:
        counts = Counter(word for words in texts for word in words)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        learned["tokens"] = ordered[:most]
    return {word: place for place, word in enumerate(learned["tokens"])}


def learn_characters(
    texts: Iterable[Sequence[str]], learned: dict[str, Any]
) -> dict[str, int]:
    """The places of the characters, by code point."""
    if not learned:
        learned["tokens"] = sorted({letter for text in texts for letter in text})
    return {letter: place for place, letter in enumerate(learned["tokens"])}


def number_tokens(
    texts: Iterable[Sequence[str]], places: dict[str, int], first: int, unknown: int
) -> Tokens:
    """The ids of each text's tokens: `first` + place, `unknown` for others."""
    ids = {token: first + place for token, place in places.items()}
    return [
        np.array([ids.get(token, unknown) for token in tokens], dtype=np.int64)
        for tokens in texts
    ]


def number_known_tokens(
    texts: Iterable[Sequence[str]], places: dict[str, int], first: int, text: Text
) -> Tokens:
    """The ids of each text's tokens: `first` + place; others are refused."""
    numbered = []
    for row, tokens in enumerate(texts):
        for token in tokens:
            if token not in places:
                raise DataError(
                    f"{text.place(row)}: expected one of the {len(places)} tokens of "
                    f"the training rows, found {token[:40]!r}"
                )
        ids = [first + places[token] for token in tokens]
        numbered.append(np.array(ids, dtype=np.int64))
    return numbered


def code_points(text: str) -> Array:
    """The code points of a text: uint32 (characters,)."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def learn_points(points: Array, learned: dict[str, Any]) -> list[str]:
    """The different characters among code points, in order."""
    if not learned:
        learned["tokens"] = [chr(point) for point in np.unique(points)]
    return list(learned["tokens"])


def learn_alphabet(letters: str, learned: dict[str, Any]) -> dict[str, int]:
    """The places of the characters of an alphabet that is given."""
    learned["tokens"] = list(letters)
    return {letter: place for place, letter in enumerate(letters)}


def place_points(points: Array, tokens: list[str]) -> Array:
    """The place of each code point among the characters, -1 for others."""
    known = code_points("".join(tokens))
    order = np.argsort(known)
    found = np.searchsorted(known, points, sorter=order).clip(max=len(known) - 1)
    places = order[found]
    return np.where(known[places] == points, places, -1)


def number_points(points: Array, tokens: list[str], first: int) -> Array:
    """The ids of characters, `first` + place: int32; others are refused."""
    places = place_points(points, tokens)
    if (places < 0).any():
        at = int(np.flatnonzero(places < 0)[0])
        raise DataError(
            f"character {at}: expected one of the {len(tokens)} characters of the "
            f"training rows, found {chr(int(points[at]))!r}"
        )
    return (places + first).astype(np.int32)


def number_points_or_unknown(
    points: Array, tokens: list[str], first: int, unknown: int
) -> Array:
    """The ids of characters, `first` + place, `unknown` for others: int32."""
    places = place_points(points, tokens)
    return np.where(places < 0, unknown, places + first).astype(np.int32)


def tokens_to_texts(ids: Array, tokens: list[str], first: int, glue: str) -> list[str]:
    """The texts that lists of ids stand for; reserved ids are left out."""
    return [
        glue.join(tokens[i - first] for i in row if first <= i < first + len(tokens))
        for row in np.atleast_2d(np.asarray(ids))
    ]


def truncate(tokens: Tokens, count: int) -> Tokens:
    """The first `count` ids of each list."""
    return [ids[:count] for ids in tokens]


def append(tokens: Tokens, last: int) -> Tokens:
    """One more id at the end of each list."""
    return [np.append(ids, last) for ids in tokens]


def lag_tokens(tokens: Tokens, places: int, fill: int) -> Tokens:
    """Each list moved right by `places`, with `fill` in front, its length kept."""
    return [np.append(np.full(places, fill), ids)[: len(ids)] for ids in tokens]


def check_lengths(tokens: Tokens, limit: int, source: Text | str) -> Tokens:
    """The lists, checked to have from 1 to `limit` ids."""
    for row, ids in enumerate(tokens):
        if not 1 <= len(ids) <= limit:
            place = place_of(row, source)
            raise DataError(f"{place}: expected 1 to {limit} tokens, found {len(ids)}")
    return tokens


def check_not_empty(tokens: Tokens, source: Text | str) -> Tokens:
    """The lists, checked to have an id each."""
    for row, ids in enumerate(tokens):
        if not len(ids):
            raise DataError(f"{place_of(row, source)}: expected tokens, found none")
    return tokens


def check_as_long(columns: Columns, name: str, other: str) -> None:
    """Refuse rows whose lists in two columns differ in length."""
    pairs = zip(columns[name], columns[other], strict=True)
    for row, (ids, beside) in enumerate(pairs):
        if len(ids) != len(beside):
            raise DataError(
                f"row {row}: expected {len(beside)} tokens in {name!r}, as many as in "
                f"{other!r}, found {len(ids)}"
            )


def check_ids(tokens: Tokens, count: int, source: Text | str) -> Tokens:
    """The lists, checked to have ids below `count` only."""
    for row, ids in enumerate(tokens):
        if len(ids) and ids.max() >= count:
            place = place_of(row, source)
            raise DataError(
                f"{place}: expected ids from 0 to {count - 1}, found {ids.max()}"
            )
    return tokens


def pad(tokens: Sequence[Array], value: int) -> Array:
    """The lists as one int64 array (rows, longest), filled with `value` at the end."""
    longest = max(len(ids) for ids in tokens)
    padded = np.full((len(tokens), longest), value, dtype=np.int64)
    for row, ids in enumerate(tokens):
        padded[row, : len(ids)] = ids
    return padded


def pad_at_least(tokens: Sequence[Array], value: int, least: int) -> Array:
    """The same in at least so many columns: windows of the model take no fewer."""
    padded = pad(tokens, value)
    missing = max(0, least - padded.shape[1])
    return np.pad(padded, ((0, 0), (0, missing)), constant_values=value)
