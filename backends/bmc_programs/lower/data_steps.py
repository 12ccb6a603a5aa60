"""What programs do for each step of the data: once for all rows, for a batch, and backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bmc.ops import data_steps as ops
from bmc_programs.categories import class_names
from bmc_programs.lower.table import batches, prepares, undoes
from bmc_programs.nodes import (
    Expr,
    assign,
    binary,
    call,
    comprehension,
    expr,
    index,
    method,
    ref,
)

if TYPE_CHECKING:
    from bmc_programs.batch import Batch
    from bmc_programs.prepare import Preparing
    from bmc_programs.undo import Undoing

VALUES = ref("values")  # what flows through the function that undoes


@prepares(ops.Standardize)
def _prepare_standardize(step: ops.Standardize, site: Preparing) -> None:
    site.apply("standardize", ref("train"), site.learned())


@undoes(ops.Standardize)
def _undo_standardize(step: ops.Standardize, site: Undoing) -> Expr:
    return call("natural_scale", VALUES, site.learned)


@prepares(ops.Balance)
def _prepare_balance(step: ops.Balance, site: Preparing) -> None:
    site.apply("balance", ref("train"), site.learned(), int(step.classes))


@prepares(ops.MinMax)
def _prepare_minmax(step: ops.MinMax, site: Preparing) -> None:
    site.apply("minmax", ref("train"), site.learned())


@undoes(ops.MinMax)
def _undo_minmax(step: ops.MinMax, site: Undoing) -> Expr:
    return call("natural_range", VALUES, site.learned)


@prepares(ops.Log)
def _prepare_log(step: ops.Log, site: Preparing) -> None:
    site.apply("logarithm", site.source())


@undoes(ops.Log)
def _undo_log(step: ops.Log, site: Undoing) -> Expr:
    return call("np.exp", VALUES)


@prepares(ops.Scale)
def _prepare_scale(step: ops.Scale, site: Preparing) -> None:
    offset = [float(step.offset)] if step.offset else []
    site.apply("scale", step.factor, *offset)


@batches(ops.Scale)
def _batch_scale(step: ops.Scale, site: Batch) -> None:
    site.array()
    offset = [float(step.offset)] if step.offset else []
    site.apply("scale", step.factor, *offset)
    site.dtype = "float"


@undoes(ops.Scale)
def _undo_scale(step: ops.Scale, site: Undoing) -> Expr:
    shifted = binary(VALUES, "-", float(step.offset)) if step.offset else VALUES
    return binary(shifted, "/", float(step.factor))


@prepares(ops.Outliers)
def _prepare_outliers(step: ops.Outliers, site: Preparing) -> None:
    site.apply("clip_outliers", ref("train"), site.learned(), float(step.iqr))


@prepares(ops.Impute)
def _prepare_impute(step: ops.Impute, site: Preparing) -> None:
    if not site.text:
        if step.by == "constant":
            site.apply("impute_constant", float(step.value))
        else:
            names = [] if site.names is None else [site.names]
            site.apply(f"impute_{step.by}", ref("train"), site.learned(), *names)
        return
    if step.by == "most":
        function = "fill_most_each" if site.several else "fill_most"
        site.apply(function, ref("train"), site.learned(), ref("MISSING"))
    elif site.several:
        filled = call("fill_texts", ref("text"), step.value, ref("MISSING"))
        site.let("texts", comprehension(filled, "text", "texts"))
    else:
        site.apply("fill_texts", step.value, ref("MISSING"))


@prepares(ops.Category)
def _prepare_category(step: ops.Category, site: Preparing) -> None:
    suffix = "" if step.unknown is None else "_or_unknown"
    reserved = 0 if step.unknown is None else 1
    if site.several:
        rest = (ref("train"), site.learned(), ref("MISSING"))
        names = len(site.entry.columns.names) if site.entry.columns else 0
        size = step.size if step.size is not None else site.entry.count
        sizes = step.sizes if step.sizes is not None else (size,) * names if size else None
        site.let("values", call(f"categories{suffix}", ref("texts"), *rest))
        if sizes is not None:
            site.apply("sizes_below", tuple(int(size) for size in sizes), ref("texts"))
        return
    learning = (ref("text"), ref("train"), site.learned(), ref("MISSING"))
    site.body.append(assign("classes", call("learn_classes", *learning)))
    limits = [size for size in (step.size, *(step.sizes or ()), site.entry.count) if size]
    if limits:
        column = str(site.entry.columns.names[0]) if site.entry.columns else site.entry.name
        most = call("at_most", ref("classes"), int(min(limits)) - reserved, column)
        site.body.append(assign("classes", most))
    refusing = (ref("MISSING"),) if step.unknown is None else ()
    site.let("values", call(f"category{suffix}", ref("text"), ref("classes"), *refusing))


@undoes(ops.Category)
def _undo_category(step: ops.Category, site: Undoing) -> Expr:
    classes, columns = index(site.learned, "classes"), site.entry.columns
    if columns is not None and columns.single:
        names = class_names(step, index(classes, str(columns.names[0])))
        return call("class_names", VALUES, names)
    every = call("list", method(classes, "values"))
    if step.unknown is not None:
        names = class_names(step, ref("names"))
        every = comprehension(names, "names", method(classes, "values"))
    return call("class_names_each", VALUES, every)


@prepares(ops.Equals)
def _prepare_equals(step: ops.Equals, site: Preparing) -> None:
    if site.several:
        columns = comprehension(call("equals", ref("text"), step.text), "text", "texts")
        site.let("values", call("np.stack", columns, axis=1))
    else:
        site.let("values", call("equals", ref("text"), step.text))


@undoes(ops.Equals)
def _undo_equals(step: ops.Equals, site: Undoing) -> Expr:
    return call("np.where", VALUES, step.text, f"not {step.text}")


@prepares(ops.Lowercase)
def _prepare_lowercase(step: ops.Lowercase, site: Preparing) -> None:
    if site.entry.head != "document":  # `load` has lowered the document, before cutting it
        site.apply("lowercase")


@prepares(ops.Identity)
@batches(ops.Identity)
def _identity(step: ops.Identity, site: Preparing | Batch) -> None:
    return


@prepares(ops.Tokenize)
def _prepare_tokenize(step: ops.Tokenize, site: Preparing) -> None:
    site.body.append(assign("learned", site.learned()))
    if site.entry.head == "document":
        _number_document(site, step)
        return
    pieces: Expr = ref("text.values")
    if step.unit == "words":
        pieces = ref("words")
        cut = comprehension(call("cut_words", ref("value")), "value", "text.values")
        site.body.append(assign("words", cut))
    rows = comprehension(index(pieces, ref("row")), "row", "train")
    site.body.append(assign("places", _places(step, rows)))
    ids = [pieces, ref("places"), int(step.start())]
    unseen = step.unseen()
    if unseen is None:
        site.let("tokens", call("number_known_tokens", *ids, ref("text")))
    else:
        site.let("tokens", call("number_tokens", *ids, int(unseen)))


def _places(step: Any, rows: Expr) -> Expr:
    if step.alphabet is not None:
        return call("learn_alphabet", step.alphabet, ref("learned"))
    if step.unit == "characters":
        return call("learn_characters", rows, ref("learned"))
    most = [int(step.vocab) - int(step.start())] if step.vocab is not None else []
    return call("learn_words", rows, ref("learned"), *most)


def _number_document(site: Preparing, step: Any) -> None:
    first, unknown = int(step.start()), step.unseen()
    if step.unit == "words":
        rows = expr([comprehension(index("words", ref("row")), "row", "train")])
        site.body.append(assign("places", _places(step, rows)))
        words = [ref("words")]
        numbered = call("number_tokens", words, ref("places"), first, int(unknown or 0))
        site.let("values", index(numbered, 0))
        return
    if step.alphabet is not None:
        made: Expr = call("list", call("learn_alphabet", step.alphabet, ref("learned")))
    else:
        made = call("learn_points", index("points", ref("train")), ref("learned"))
    site.body.append(assign("letters", made))
    limits = [size for size in (step.vocab, site.entry.count) if size]
    if limits:
        most = call("at_most", ref("letters"), int(min(limits)) - first, "text")
        site.body.append(assign("letters", most))
    if unknown is None:
        site.let("values", call("number_points", ref("points"), ref("letters"), first))
    else:
        numbered = call(
            "number_points_or_unknown", ref("points"), ref("letters"), first, int(unknown)
        )
        site.let("values", numbered)


@undoes(ops.Tokenize)
def _undo_tokenize(step: ops.Tokenize, site: Undoing) -> Expr:
    glue = " " if step.unit == "words" else ""
    site.result = "list[str]"
    first = int(step.start())
    return call("tokens_to_texts", VALUES, index(site.learned, "tokens"), first, glue)


@prepares(ops.Truncate)
def _prepare_truncate(step: ops.Truncate, site: Preparing) -> None:
    site.apply("truncate", int(step.n))


@prepares(ops.Append)
def _prepare_append(step: ops.Append, site: Preparing) -> None:
    site.apply("append", int(step.id))


@prepares(ops.Lag)
def _prepare_lag(step: ops.Lag, site: Preparing) -> None:
    if site.value in ("tokens",):
        site.apply("lag_tokens", int(step.n), int(step.fill))
    else:
        site.apply("lag_rows", int(step.n), float(step.fill))


@batches(ops.OneHot)
def _batch_one_hot(step: ops.OneHot, site: Batch) -> None:
    site.apply("one_hot", int(step.size), site.entry.name)
    site.dtype = "float"


@batches(ops.Lead)
@batches(ops.Windows)
def _windows(step: ops.Lead | ops.Windows, site: Batch) -> None:
    return  # the column has been cut so before its other steps
