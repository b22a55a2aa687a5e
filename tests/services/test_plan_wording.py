"""A message that some account could not be sent stops the plan, not the sending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from rollout.domain.errors import BadRows
from rollout.testing import FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN, bring_on
from tests.support.database import digests

Worded = Callable[[str], Campaign]
LAST_CALL = "{# acme calls, beta does not #}\n{{ keys[0].last_seen | local }}"


@pytest.fixture
def worded(engine: Engine, mailer: FakeMailer, tmp_path: Path) -> Worded:
    """The cast, and an operator whose own reminder has this subject."""

    def word(subject: str) -> Campaign:
        (tmp_path / "reminder").mkdir()
        (tmp_path / "reminder" / "subject.txt").write_text(subject, encoding="utf-8")
        campaign = Campaign(engine, mailer, tmp_path)
        campaign.at(NOW)
        bring_on(engine)
        return campaign

    return word


def refused(campaign: Campaign) -> list[str]:
    """What stands in the way: `plan` says it, `apply` refuses for it and changes nothing."""
    before = digests(campaign.engine)
    said = list(campaign.plan.plan(PLAN, "plan.yaml").problems)
    with pytest.raises(BadRows, match=r"plan\.yaml cannot be applied") as error:
        campaign.plan.apply(PLAN, "plan.yaml", "olga")
    assert list(error.value.rows) == said
    assert error.value.fix == "correct the templates; nothing was changed"
    assert digests(campaign.engine) == before
    return said


def test_a_placeholder_that_one_account_cannot_fill_names_step_account_file_and_line(
    worded: Worded,
) -> None:
    (said,) = refused(worded(LAST_CALL))

    assert said.startswith("step reminder cannot be written to account beta: reminder/subject.txt,")
    assert "line 2: " in said


def test_a_template_that_nobody_could_be_sent_is_refused_without_looking_for_an_account(
    worded: Worded,
) -> None:
    (said,) = refused(worded("{{ acount_name }}"))
    assert said == (
        "step reminder cannot be written: reminder/subject.txt, line 1: unknown name 'acount_name'"
    )


def test_what_every_account_there_is_can_fill_is_good_enough(worded: Worded) -> None:
    campaign = worded(LAST_CALL)
    campaign.run("DELETE FROM contacts WHERE account_id = 'beta'")
    assert campaign.plan.plan(PLAN, "plan.yaml").problems == ()


def test_an_account_that_is_exempt_does_not_stand_in_the_way(
    worded: Worded, tmp_path: Path
) -> None:
    campaign = worded("Soon")
    campaign.plan.apply(PLAN, "plan.yaml", "olga")
    campaign.guards.exempt("beta", reason="not affected", operator="olga")
    (tmp_path / "reminder" / "subject.txt").write_text(LAST_CALL, encoding="utf-8")

    assert campaign.plan.plan(PLAN, "plan.yaml").problems == ()
