"""The addresses of webhooks cannot be read, changed or moved in the database."""

from __future__ import annotations

import pytest

from rollout.adapters.webhooks.seals import AddressSeals
from rollout.domain.errors import Unavailable

SEALS = AddressSeals(b"a pepper for tests")
URL = "https://hooks.slack.com/services/T0/B0/XyZ123abc"


def test_what_is_sealed_opens_again_and_looks_different_each_time() -> None:
    one, two = SEALS.seal("acme", URL), SEALS.seal("acme", URL)

    assert one != two
    assert SEALS.open("acme", one) == SEALS.open("acme", two) == URL
    assert b"slack" not in one


@pytest.mark.parametrize("how", ["changed", "cut short", "moved to another account", "re-peppered"])
def test_what_was_tampered_with_does_not_open(how: str) -> None:
    sealed = SEALS.seal("acme", URL)
    opening = {
        "changed": lambda: SEALS.open("acme", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        "cut short": lambda: SEALS.open("acme", sealed[:20]),
        "moved to another account": lambda: SEALS.open("beta", sealed),
        "re-peppered": lambda: AddressSeals(b"another").open("acme", sealed),
    }
    with pytest.raises(Unavailable) as refused:
        opening[how]()
    assert "slack" not in refused.value.message


def test_a_digest_tells_the_same_address_of_the_same_account_and_nothing_else() -> None:
    digest = SEALS.digest("acme", URL)

    assert digest == SEALS.digest("acme", URL)
    assert digest not in (SEALS.digest("beta", URL), SEALS.digest("acme", URL + "/"))
    assert digest != AddressSeals(b"another").digest("acme", URL)
