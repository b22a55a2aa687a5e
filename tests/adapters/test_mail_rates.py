"""``ROLLOUT_MAIL_RATES``: how it is written, and whom each limit is for."""

from __future__ import annotations

import pytest

from rollout.adapters.mail.rates import mail_rates
from rollout.domain.errors import BadInput
from rollout.domain.notices.rates import MailRates, Rate, domain_of


def read(text: str) -> MailRates:
    return mail_rates("ROLLOUT_MAIL_RATES", text)


def test_a_limit_is_that_of_its_domain_and_the_star_stands_for_each_other() -> None:
    rates = read(" GMail.com=20/s\n example.org=600/min bücher.example=5/h *=50/s ")

    assert rates.of("gmail.com") == Rate(20, "s")
    assert rates.of("example.org") == Rate(600, "min")
    assert rates.of(domain_of("Anna@BÜCHER.example")) == Rate(5, "h")
    assert rates.of("mail.gmail.com") == rates.of("acme.example") == Rate(50, "s")
    assert str(rates.of("example.org")) == "600/min"


def test_without_a_star_other_domains_have_none() -> None:
    assert read("gmail.com=20/s").of("acme.example") is None
    assert read("") == MailRates()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gmail.com", "'gmail.com' has no rate after a ="),
        ("gmail.com=", "'gmail.com=' has no rate after a ="),
        ("gmail.com = 20/s", "'gmail.com' has no rate after a ="),
        ("gmail.com=20", "'gmail.com=20' has no rate after a ="),
        ("gmail.com=0/s", "'gmail.com=0/s' has no rate after a ="),
        ("gmail.com=-1/s", "'gmail.com=-1/s' has no rate after a ="),
        ("gmail.com=1.5/s", "'gmail.com=1.5/s' has no rate after a ="),
        ("gmail.com=20/day", "'gmail.com=20/day' has no rate after a ="),
        ("a.example=1/s,b.example=2/s", "'a.example=1/s,b.example=2/s' has no rate after a ="),
        ("=20/s", "'=20/s' does not begin with a domain, or *"),
        ("*.example.org=5/s", "'*.example.org=5/s' does not begin with a domain, or *"),
        ("ann@gmail.com=5/s", "'ann@gmail.com=5/s' does not begin with a domain, or *"),
        ("gmail.com=5/s Gmail.com=6/s", "'Gmail.com' has two limits"),
        ("*=5/s *=6/s", "'*' has two limits"),
    ],
)
def test_what_is_no_limit_is_refused_with_a_way_out(text: str, said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read(text)

    assert refusal.value.message == f"ROLLOUT_MAIL_RATES: {said}"
    assert "gmail.com=20/s example.org=600/min *=50/s" in (refusal.value.fix or "")


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("Ann@ACME.Example", "acme.example"),
        ("ann@acme.example.", "acme.example"),
        ("ann@bücher.example", "xn--bcher-kva.example"),
        (f"ann@{'x' * 64}.example", f"{'x' * 64}.example"),  # such a name cannot be
        ("nobody", "nobody"),
    ],
)
def test_one_domain_has_one_name_however_an_address_writes_it(address: str, domain: str) -> None:
    assert domain_of(address) == domain
