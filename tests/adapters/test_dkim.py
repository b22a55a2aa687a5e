"""A signed message is verified as it arrives, and no byte that counts can be changed."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.mail.dkim import DkimSigner, dkim_signer
from rollout.bootstrap import bootstrap
from rollout.domain.errors import BadInput
from rollout.services.ports import Letter
from rollout.settings import Settings
from tests.support.dkim import tags, verify
from tests.support.mailing import LETTER, StoppedClock, hand_over, mailer
from tests.support.smtp_server import Received, SmtpServer

KEYS: dict[str, Any] = {
    "rsa-sha256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519-sha256": ed25519.Ed25519PrivateKey.generate(),
}
every_algorithm = pytest.mark.parametrize("algorithm", KEYS)
UNSUBSCRIBE = replace(LETTER, unsubscribe_url="https://rollout.example/unsubscribe/" + "x" * 60)

RFC_8463 = """\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace("\n", "\r\n").encode()
DNS_OF_RFC_8463 = {
    "brisbane": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test": "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
    "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
    "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
    "Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}


def pem(key: Any, encryption: KeySerializationEncryption | None = None) -> str:
    shape = (Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return str(key.private_bytes(*shape).decode())


def dns(algorithm: str) -> dict[str, str]:
    """What the operator puts into the DNS."""
    public = KEYS[algorithm].public_key()
    if algorithm == "rsa-sha256":
        key = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        key = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"rollout2027": f"v=DKIM1; p={base64.b64encode(key).decode()}"}


def signer(algorithm: str) -> DkimSigner:
    made = dkim_signer("platform.example", "rollout2027", pem(KEYS[algorithm]))
    assert made is not None
    return made


def arrived(algorithm: str, letter: Letter = UNSUBSCRIBE, to: str = "dev@a.example") -> Received:
    with SmtpServer() as server:
        with mailer(server.url, signer=signer(algorithm)).session() as session:
            hand_over(session, to=to, message_id="<1@platform.example>", letter=letter)
        return server.wait_for(1)[0]


# -- the verifier itself


def test_the_example_of_the_rfc_is_verified_and_no_other_message_is() -> None:
    of_rfc = DNS_OF_RFC_8463

    assert verify(RFC_8463, of_rfc) == ["", ""]
    assert verify(RFC_8463.replace(b"dinner", b"supper"), of_rfc) == ["fields", "fields"]
    assert verify(RFC_8463.replace(b"game", b"Game"), of_rfc) == ["body", "body"]
    assert verify(b"Subject: Free\r\n" + RFC_8463, of_rfc) == ["fields", "fields"]


# -- what is sent


@every_algorithm
@pytest.mark.parametrize(
    ("letter", "to"),
    [
        (LETTER, "dev@acme.example"),  # with dots at the beginning of lines
        (UNSUBSCRIBE, "dev@acme.example"),
        (Letter("Two  weeks \t left", "a  b \t\n\n \n\n", " <p> \n"), "dev@acme.example"),
        (Letter("", "", ""), "dev@acme.example"),
        (Letter("最終のお知らせ " * 12, "ü" * 300, "<p>"), "dev@acme.example"),
        (LETTER, "dév@acme.example"),  # needs SMTPUTF8
    ],
    ids=["dots", "unsubscribe", "spaces", "empty", "encoded", "utf8"],
)
def test_what_arrives_is_verified_with_the_public_key(
    algorithm: str, letter: Letter, to: str
) -> None:
    received = arrived(algorithm, letter, to)

    assert verify(received.raw, dns(algorithm)) == [""]
    assert max(map(len, received.raw.split(b"\r\n"))) <= 998  # RFC 5322, section 2.1.1
    assert received.part("plain") == arrived_unsigned(letter, to).part("plain")


def arrived_unsigned(letter: Letter, to: str) -> Received:
    with SmtpServer() as server:
        with mailer(server.url).session() as session:
            hand_over(session, to=to, message_id="<1@platform.example>", letter=letter)
        [received] = server.wait_for(1)
    assert received.message["DKIM-Signature"] is None
    return received


@every_algorithm
def test_the_signature_says_who_where_when_and_what(algorithm: str) -> None:
    received = arrived(algorithm)
    said = tags(str(received.message["DKIM-Signature"]))

    assert received.raw.startswith(b"DKIM-Signature: ")
    assert (said["v"], said["a"], said["c"]) == ("1", algorithm, "relaxed/relaxed")
    assert (said["d"], said["s"]) == ("platform.example", "rollout2027")
    assert said["t"] == f"{StoppedClock().now().timestamp():.0f}"
    listed = said["h"].split(":")
    assert set(listed) == {
        *("From", "To", "Subject", "Reply-To", "Date", "Message-ID", "MIME-Version"),
        *("Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post"),
    }
    assert [listed.count(name) for name in ("From", "To", "Subject", "Reply-To")] == [2] * 4


FIELDS = ["From", "To", "Subject", "Reply-To", "Date", "Message-ID", "MIME-Version"]
FIELDS += ["Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post"]


@every_algorithm
@pytest.mark.parametrize("name", FIELDS)
def test_a_changed_byte_of_a_field_is_found(algorithm: str, name: str) -> None:
    raw = arrived(algorithm).raw
    found = re.search(rf"^{name}:\s+\S".encode(), raw, re.MULTILINE)
    assert found is not None
    changed = raw[: found.end()] + b"x" + raw[found.end() :]

    assert verify(changed, dns(algorithm)) == ["fields"]


@every_algorithm
@pytest.mark.parametrize("name", ["From", "To", "Subject", "Reply-To"])
@pytest.mark.parametrize("letter", [LETTER, UNSUBSCRIBE], ids=["required", "optional"])
def test_a_second_field_that_a_reader_would_see_is_found(
    algorithm: str, name: str, letter: Letter
) -> None:
    raw = arrived(algorithm, letter).raw
    assert verify(f"{name}: thief@evil.example\r\n".encode() + raw, dns(algorithm)) == ["fields"]


@every_algorithm
def test_a_changed_body_is_found_and_what_servers_do_to_spaces_is_not(algorithm: str) -> None:
    raw = arrived(algorithm).raw

    assert verify(raw.replace(b"a dot first", b"a dot last"), dns(algorithm)) == ["body"]
    assert verify(raw.replace(b"a dot", b"a  \tdot") + b"\r\n\r\n", dns(algorithm)) == [""]
    assert verify(raw.replace(b"\r\nTo: ", b"\r\nTO:\t "), dns(algorithm)) == [""]


# -- the settings


def started(servers: EmbeddedServers, database_url: str, **settings: str) -> None:
    """Start as every command does, without a mail server even."""
    given = {"DATABASE_URL": database_url, "REDIS_URL": servers.redis_url, **settings}
    with bootstrap(Settings.from_environment({f"ROLLOUT_{k}": v for k, v in given.items()})):
        pass


GOOD = {"DKIM_DOMAIN": "platform.example", "DKIM_SELECTOR": "s1"}


@every_algorithm
def test_a_key_is_read_from_its_file(
    servers: EmbeddedServers, database_url: str, tmp_path: Path, algorithm: str
) -> None:
    file = tmp_path / "dkim.pem"
    file.write_text(pem(KEYS[algorithm]), encoding="utf-8")
    started(servers, database_url, **GOOD, DKIM_KEY_FILE=str(file), DATA_DIR=str(tmp_path))


@pytest.mark.parametrize("missing", ["DKIM_DOMAIN", "DKIM_SELECTOR", "DKIM_KEY"])
def test_all_three_settings_are_needed(missing: str) -> None:
    given = GOOD | {"DKIM_KEY": pem(KEYS["rsa-sha256"])}
    with pytest.raises(BadInput, match="DKIM needs all of ROLLOUT_DKIM_DOMAIN, ") as error:
        Settings.from_environment({f"ROLLOUT_{k}": v for k, v in given.items() if k != missing})
    assert error.value.fix


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"DKIM_DOMAIN": "not a domain"}, "ROLLOUT_DKIM_DOMAIN is not a domain"),
        ({"DKIM_SELECTOR": "s1; d=evil"}, "ROLLOUT_DKIM_SELECTOR is not a selector"),
        ({"DKIM_SELECTOR": "s1\r\nBcc: a"}, "ROLLOUT_DKIM_SELECTOR is not a selector"),
        ({"DKIM_KEY": "no key"}, "ROLLOUT_DKIM_KEY cannot be used: it is no private key in PEM"),
        (
            {"DKIM_KEY": pem(KEYS["rsa-sha256"], BestAvailableEncryption(b"secret"))},
            "ROLLOUT_DKIM_KEY cannot be used: it is no private key in PEM without a password",
        ),
        (
            {"DKIM_KEY": pem(ec.generate_private_key(ec.SECP256R1()))},
            "ROLLOUT_DKIM_KEY cannot be used: it is neither an RSA nor an Ed25519 key",
        ),
    ],
    ids=["domain", "selector", "injection", "garbage", "password", "curve"],
)
def test_what_cannot_be_used_is_said_at_the_start_with_the_way_out_and_without_the_key(
    servers: EmbeddedServers, database_url: str, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    given = GOOD | {"DKIM_KEY": pem(KEYS["rsa-sha256"]), "DATA_DIR": str(tmp_path)} | changed
    with pytest.raises(BadInput, match=f"^{said}") as error:
        started(servers, database_url, **given)
    assert error.value.fix
    assert given["DKIM_KEY"].splitlines()[-1] not in str(error.value) + str(error.value.fix)


def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.adapters.mail.dkim._FEWEST_BITS", 4096)
    with pytest.raises(BadInput, match="an RSA key needs 4096 bits"):
        dkim_signer("short.example", "s1", pem(KEYS["rsa-sha256"]))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["absent", "binary"])
def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "dkim.der"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match="ROLLOUT_DKIM_KEY_FILE: cannot read ") as error:
        Settings.from_environment({"ROLLOUT_DKIM_KEY_FILE": str(file)})
    assert error.value.fix


def test_the_key_is_not_shown() -> None:
    key = pem(KEYS["rsa-sha256"])
    assert "key" not in repr(signer("rsa-sha256"))
    assert key not in repr(Settings(dkim_key=key))
