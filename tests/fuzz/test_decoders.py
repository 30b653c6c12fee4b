"""No bytes from outside raise anything but the decoder's own refusal."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nenghao.security.identity import IdentityError, identity_of
from nenghao.security.leaves import china
from tests.fuzz.decoder import Decoder
from tests.fuzz.decoders import DECODERS
from tests.tools import environment

SOAK_SECONDS = float(os.environ.get("NENGHAO_TEST_FUZZ_SECONDS", "3600"))
"""Of all decoders together, in `make soak`."""
NAMES = ("deviceId", "enterpriseCode", "data", "dataCode", "statDate", "queryParam", "ver", "x")

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["2026-11-21 00:15:00", "00-00-0000-013300-11", "0", "91330000573973053F"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    _VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")),
    st.integers(1, 3000).map(lambda depth: b"[" * depth),
    st.integers(1, 3000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
)


def mutated(dice: random.Random, seed: bytes) -> bytes:
    """The seed with a few bytes changed, dropped, doubled or cut off."""
    made = bytearray(seed)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(made) + 1)
        match dice.randrange(4):
            case 0 if at < len(made):
                made[at] = dice.randrange(256)
            case 1:
                made[at:at] = dice.choice((b'"', b"[", b"{", b"\\", b"\0", b"\xff", b"9" * 30))
            case 2:
                del made[at : at + dice.randint(1, 9)]
            case _:
                made[at:at] = made[: dice.randint(0, 20)]
    return bytes(made)


@pytest.mark.parametrize("name", DECODERS)
def test_nothing_but_its_own_refusal_comes_out(name: str) -> None:
    decoder = DECODERS[name]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def hold(body: bytes) -> None:
        decoder(body)

    hold()


@pytest.mark.parametrize("name", [name for name, one in DECODERS.items() if one.seeds])
def test_what_nearly_is_a_message_is_refused_or_read(name: str, record_property: Any) -> None:
    seed = random.SystemRandom().randrange(2**32)
    record_property("seeds", f"{name} {seed}")
    dice = random.Random(seed)
    for _ in range(150):
        DECODERS[name](mutated(dice, dice.choice(DECODERS[name].seeds)))


@pytest.mark.parametrize("name", [name for name, one in DECODERS.items() if one.seeds])
def test_a_seed_is_what_its_decoder_takes(name: str) -> None:
    for seed in DECODERS[name].seeds:
        DECODERS[name].run(seed) if not name.startswith("message") else DECODERS[name](seed)


def test_a_certificate_of_an_unknown_version_is_no_identity() -> None:
    """Found by atheris: cryptography's InvalidVersion is no ValueError."""
    good = DECODERS["certificate"].seeds[0]
    at = good.index(bytes.fromhex("a003020102")) + 4
    with pytest.raises(IdentityError):
        identity_of(good[:at] + b"\x30" + good[at + 1 :])


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("signing request", "02010030"),
        ("revocation list", "02010130"),
        ("outside issuer", "02010202"),
    ],
)
def test_what_is_of_an_unknown_version_is_refused(name: str, version: str) -> None:
    """Found by mutation: InvalidVersion again, of requests, lists and issuers."""
    decoder = DECODERS[name]
    good = decoder.seeds[0]
    at = good.index(bytes.fromhex(version)) + 2
    with pytest.raises(decoder.raises):
        decoder.run(good[:at] + b"\x30" + good[at + 1 :])


def test_a_certificate_without_end_is_read() -> None:
    """RFC 5280's 99991231235959Z is no date any more eight hours further east."""
    endless = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert china(endless) == datetime(9999, 12, 31, 23, 59, 59)


def test_a_decoder_that_fails_is_found_out() -> None:
    def broken(data: bytes) -> None:
        raise KeyError(data)

    with pytest.raises(KeyError):
        Decoder(broken, (ValueError,))(b"")


@pytest.mark.soak
@pytest.mark.parametrize("name", DECODERS)
def test_for_its_share_of_an_hour(name: str, record_property: Any) -> None:
    decoder = DECODERS[name]
    seed = random.SystemRandom().randrange(2**32)
    record_property("seeds", f"{name} {seed}")
    dice = random.Random(seed)
    end = time.monotonic() + SOAK_SECONDS / len(DECODERS)
    seeds = [*decoder.seeds, b'{"a":[1,"2",null,{}]}', b"\x1f\x8b\x08\0", b"a,b\n1,2\n"]
    known = list(seeds)
    while time.monotonic() < end:
        body = mutated(dice, dice.choice(known))
        decoder(body)
        if len(known) < 200 or dice.random() < 0.01:
            known[dice.randrange(len(seeds), 200) if len(known) >= 200 else len(known) :] = [body]


@pytest.mark.soak
@pytest.mark.parametrize("name", DECODERS)
def test_guided_by_coverage(name: str, tmp_path: Path) -> None:
    """atheris, in an environment of its own, looks for what the dice do not find."""
    python = environment("atheris")
    seconds = max(round(SOAK_SECONDS / len(DECODERS)), 10)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [
            python,
            "-m",
            "tests.fuzz.atheris_run",
            name,
            str(tmp_path),
            f"-max_total_time={seconds}",
            f"-artifact_prefix={tmp_path}/",
        ],
        cwd=root,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
        capture_output=True,
        text=True,
        timeout=seconds + 300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
