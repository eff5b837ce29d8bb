"""Of a data set that is too large, the audit looks at whole scenes that it draws, and says so."""

from dataset_builder.audit.audit import audit_dataset
from dataset_builder.audit.tables import read_tables


def test_of_many_bursts_whole_scenes_are_drawn(tiny_original):
    everything, some = read_tables(tiny_original), read_tables(tiny_original, most=3)
    scenes = set(some.bursts["scene_id"])
    expected = everything.bursts[everything.bursts["scene_id"].isin(scenes)]
    assert 0 < len(some.bursts) <= 3
    assert some.bursts["burst_id"].tolist() == expected["burst_id"].tolist()
    assert some.total == everything.total == 5
    for name in ("frames", "splits"):
        rows = getattr(everything, name)
        kept = rows[rows["burst_id"].isin(some.bursts["burst_id"])]
        assert getattr(some, name)["burst_id"].tolist() == kept["burst_id"].tolist()
    labels = [part["burst_id"].astype(str) for part in some.labels]
    assert set().union(*labels) <= set(some.bursts["burst_id"])


def test_an_audit_says_that_it_looked_at_a_part(tiny, monkeypatch):
    whole = audit_dataset(tiny)
    assert not any("drawn" in line for line in whole.remarks)
    monkeypatch.setattr("dataset_builder.audit.audit.read_tables", lambda root: read_tables(root, most=3))
    part = audit_dataset(tiny)
    assert any("of 5 bursts, whole scenes drawn" in line for line in part.remarks)
    # Labels of bursts that were not drawn are no fault.
    names, known = (read_tables(tiny, most=most).bursts["burst_id"].tolist() for most in (3, 5))
    altered = [[each.evidence for each in audit.findings if each.rule == "altered_labels"] for audit in (part, whole)]
    assert all(any(name in line for name in names) for line in altered[0])
    assert len(altered[0]) <= len(altered[1])
    assert set(names) < set(known)
