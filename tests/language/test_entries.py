"""Names of outputs and of entries: `data.price` says which, and one name for both is refused."""

from __future__ import annotations

from pathlib import Path

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.project import open_project

SPEC = """
model Price {
  input x: float[2]
  output cost = x -> dense(1) -> squeeze
}
data {
  source = csv("rows.csv")
  x      = ["a", "b"] -> standardize
  price  = "price" -> standardize
}
train {
  loss      = (cost, data.price) -> huber
  optimizer = adam(lr=1e-3)
  epochs    = 1
}
predict { price = cost -> undo(data.price) }
"""


def said(text: str, folder: Path) -> str:
    (folder / "net.bm").write_text(text, encoding="utf-8")
    project, source = open_project(str(folder / "net.bm"))
    problems = Problems()
    program = driver.load(source, project, problems)
    if program is not None:
        driver.compile(program, "torch", problems)
    return render_all(problems, False)


def test_an_entry_may_say_where_it_is_from(tmp_path: Path) -> None:
    assert said(SPEC, tmp_path) == ""
    text = said(SPEC.replace("(cost, data.price)", "(cost, data.prise)"), tmp_path)
    assert "no output or data entry `prise`" in text and "did you mean `price`" in text
    text = said(SPEC.replace("(cost, data.price)", "(data.cost, price)"), tmp_path)
    assert "no output or data entry `cost`" in text


def test_one_name_for_both_is_refused_once(tmp_path: Path) -> None:
    text = said(SPEC.replace("cost", "price"), tmp_path)
    assert text.count("error[") == 1
    assert "`price` is an output of the model, too" in text


def test_a_schedule_fits_into_the_run(tmp_path: Path) -> None:
    def of(schedule: str) -> str:
        return said(SPEC.replace("epochs    = 1", f"epochs = 8\n  schedule = {schedule}"), tmp_path)

    assert "longer than a run of 8 epochs" in of("cosine(restarts=9 epochs)")
    assert "is 150%, longer than the run" in of("linear(warmup=150%)")
    for fine in (
        "cosine(restarts=8 epochs)",
        "linear(warmup=9 epochs)",
        "cosine(restarts=9 steps)",
    ):
        assert of(fine) == ""
