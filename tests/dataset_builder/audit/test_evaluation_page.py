"""The page of an evaluation: numbers in their order, no script, no request, and nothing of a data set's texts becomes markup."""

from __future__ import annotations

import re

import pytest

from dataset_builder.audit.report.evaluation import (
    FailedBurst,
    JudgedLabels,
    Measured,
    RankedEntrant,
    render_evaluation,
)

HOSTILE = '</style><script>alert(1)</script>" onload="x\u202e'


def make_part(name: str) -> JudgedLabels:
    first = RankedEntrant(
        name, {"spearman": Measured(0.625, 0.5, 0.75), "auc": Measured(0.9, None, None)}, False, {"night": Measured(0.3, None, None)}
    )  # fmt: skip
    ceiling = RankedEntrant("labels again", {"spearman": Measured(0.8, None, None)}, True, {})
    pictures = ("data:image/webp;base64,AAAA", None, None)
    failure = FailedBurst(
        name, f"burst {name}", "source", -0.5, (0, 1, 3), 1, pictures, (0.5, None, -0.25), (1.0, 2.0, 3.0)
    )
    return JudgedLabels(f"denoise/{name}", "leave_one_out", "dB", True, 12, 7, (ceiling, first), (failure,))


def render(name: str) -> str:
    gain = {
        "scenario": name,
        "preset": name,
        "guide": name,
        "policy": "drop_harmful",
        "gain": 0.11,
        "low": 0.05,
        "high": 0.2,
    }
    gains = [{**gain, "over_random": float("nan"), "kept": 0.8, "bursts": 12, "unit": "dB"}]
    facts = {"Split": f"test, {name}"}
    return render_evaluation(
        f"Set {name}", [make_part(name)], columns={"auc": "AUC"}, gains=gains, facts=facts, remarks=[name]
    )


def test_numbers_stand_where_they_belong() -> None:
    page = render("mine")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<body>") :]))
    assert "0.62 rank correlation of mine" in text
    assert "12 bursts of 7 scenes" in text
    assert "mine 0.62 +0.50 to +0.75 0.90" in text
    assert "labels again 0.80 –" in text
    assert "mine −0.50 burst mine · source" in text
    assert "label, dB +0.50 – −0.25" in text
    assert "+0.11 dB +0.05 to +0.20 – 80 % 12" in text
    assert page.count('class="reference"') == 1
    assert page.count("unreadable") >= 2


def test_nothing_runs_and_nothing_is_asked_for() -> None:
    page = render("mine")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src" not in policy[1]
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_texts_are_no_markup() -> None:
    page = render(HOSTILE)
    assert "<script" not in page
    assert 'onload="' not in page
    assert "\u202e" not in page
    assert page.count("&lt;script&gt;") >= 8


@pytest.mark.parametrize("parts", [[], [JudgedLabels("a/b", "solo", "", False, 0, 0, (), ())]])
def test_a_page_of_nothing(parts: list[JudgedLabels]) -> None:
    page = render_evaluation("Set", parts, columns={}, facts={})
    assert "</html>" in page
