"""Keeping: in a directory; and in a cluster, whoever else writes, dies or sets the clock."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs import issue, keep, pem
from certs.cluster import CannotKeep, Secret
from certs.keep import Report, keep_cluster, keep_files
from certs.pem import BadPair
from certs.world import Pace, Publish, find_issuer, read_bundle, read_held
from tests.certs.memory import AUTHORITIES, SERVED, ApiServer, Client, Gate, Writer
from tests.certs.moments import DAY, HOUR, LOCAL, MINUTE, NAMES, NOW

FILES = ("ca.crt", "tls.crt", "tls.key")
ALLOWANCE = 2 * MINUTE  # how far the clocks of writers differ from the true time


# A directory


def _read(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def test_files_are_written_whole_and_the_key_is_private(tmp_path: Path) -> None:
    report = keep_files(tmp_path / "new" / "pki", LOCAL, now=NOW)
    folder = tmp_path / "new" / "pki"
    bundle, chain, key = _read(folder)
    leaf = pem.prove(chain, key, now=NOW)
    assert pem.names(leaf) == set(LOCAL)
    assert find_issuer(leaf, bundle)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert stat.S_IMODE((folder / "tls.key").stat().st_mode) == 0o600
    assert report.due == pem.renewal(leaf)
    assert "leaf for 127.0.0.1, localhost, " in report.lines[-1]


def test_a_good_pair_is_left_alone(tmp_path: Path) -> None:
    first = keep_files(tmp_path, LOCAL, now=NOW)
    before = _read(tmp_path)
    report = keep_files(tmp_path, reversed(LOCAL), now=first.due - MINUTE)
    assert _read(tmp_path) == before
    assert report.due == first.due
    assert report.lines == (f"{tmp_path}: kept, valid until 2027-02-19T12:00:00Z",)


def _other_names(folder: Path) -> tuple[str, ...]:
    return ("localhost",)


def _spoil(name: str, text: bytes) -> object:
    def spoil(folder: Path) -> tuple[str, ...]:
        (folder / name).write_bytes(text)
        return LOCAL

    return pytest.param(spoil, id=f"{name}-{text[:5].decode()}")


def _lose(folder: Path) -> tuple[str, ...]:
    (folder / "tls.key").unlink()
    return LOCAL


@pytest.mark.parametrize(
    "spoil",
    [_other_names, _lose, *(_spoil(name, text) for name in FILES for text in (b"", b"junk"))],
)
def test_a_bad_pair_is_replaced(spoil: object, tmp_path: Path) -> None:
    keep_files(tmp_path, LOCAL, now=NOW)
    assert callable(spoil)
    names = spoil(tmp_path)
    before = _read(tmp_path) if (tmp_path / "tls.key").exists() else []
    keep_files(tmp_path, names, now=NOW)
    after = _read(tmp_path)
    assert not set(before) & set(after)
    assert pem.names(pem.prove(after[1], after[2], now=NOW)) == set(names)


def test_a_pair_with_a_third_of_its_life_is_replaced(tmp_path: Path) -> None:
    due = keep_files(tmp_path, LOCAL, now=NOW).due
    before = _read(tmp_path)
    keep_files(tmp_path, LOCAL, now=due)
    assert not set(before) & set(_read(tmp_path))


def test_a_pair_of_somebody_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(issue, "COMMON_NAME", "another-ca")
        keep_files(tmp_path, LOCAL, now=NOW)
    before = _read(tmp_path)
    with pytest.raises(CannotKeep, match="not issued by Sallyport"):
        keep_files(tmp_path, LOCAL, now=NOW)
    assert _read(tmp_path) == before


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotKeep, match="file"):
        keep_files(tmp_path / "file" / "pki", LOCAL, now=NOW)


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(CannotKeep, match=r"ca\.crt: No space left"):
        keep_files(tmp_path, LOCAL, now=NOW)
    assert list(tmp_path.iterdir()) == []


# A cluster


def _run(server: ApiServer, *names: str, absent: tuple[str, ...] = ()) -> Report:
    return keep_cluster(Client(server, absent=absent), names or NAMES, clock=lambda: server.now)


def _installed(*, hooks: int = 2) -> ApiServer:
    server = ApiServer(NOW)
    for number in range(hooks):
        server.configure(f"hook-{number}", b"", b"")
    _run(server)
    server.forget()
    return server


def _settle(server: ApiServer, *names: str, cadence: timedelta = 7 * DAY, runs: int = 6) -> None:
    for _ in range(runs):
        _run(server, *names)
        server.now += cadence
    _run(server, *names)


def _generation(server: ApiServer) -> list[str]:
    """Who is trusted by all configurations."""
    (bundle,) = server.trusted()
    return [ca.subject.rfc4514_string()[len("CN=sallyport-ca-") :] for ca in read_bundle(bundle)]


def _is_sound(server: ApiServer) -> bool:
    """The one leaf is good, and all configurations trust exactly its authority."""
    tls = server.secrets[SERVED].data
    leaf = pem.prove(tls["tls.crt"], tls["tls.key"], now=server.now)
    held = read_held(server.secrets[AUTHORITIES].data)
    assert held.current is not None
    assert server.trusted() == {held.bundle()} == {held.current.certificate} == {tls["ca.crt"]}
    return find_issuer(leaf, held.bundle()) is not None


def test_install_makes_all_in_one_run() -> None:
    server = _installed()
    assert _is_sound(server)
    assert server.writes == [AUTHORITIES, "hook-0", "hook-1", SERVED]


def test_certificates_come_before_configurations() -> None:
    server = ApiServer(NOW)
    report = _run(server, absent=("00-sallyport-mutate",))
    line = "MutatingWebhookConfiguration 00-sallyport-mutate: absent, not written"
    assert line in report.lines
    server.configure("hook", b"")
    _run(server)
    assert _is_sound(server)


def test_a_second_run_writes_nothing() -> None:
    server = _installed()
    server.writes.clear()
    report = _run(server)
    assert server.writes == []
    assert report.lines == (
        "nothing is due before 2027-01-20T11:40:00Z, then the certificates are renewed",
    )


def test_empty_secrets_made_by_manifests_are_filled() -> None:
    server = ApiServer(NOW)
    server.put(AUTHORITIES)
    server.put(SERVED, tls_crt=b"", tls_key=b"")
    server.configure("hook", b"")
    _run(server)
    assert _is_sound(server)


def test_a_leaf_is_renewed_under_the_same_authority() -> None:
    server = _installed()
    before = server.served()
    server.now = _run(server).due
    report = _run(server)
    assert server.served() != before
    assert _generation(server) == ["g1"]
    assert "third of its life" in report.lines[0]


def test_an_authority_is_renewed_with_an_overlap() -> None:
    server = _installed()
    server.now = NOW + 490 * DAY
    _run(server)
    first = server.served()
    assert _generation(server) == ["g1", "g2"]
    server.now += 9 * MINUTE
    _run(server)
    assert server.served() == first
    server.now += 1 * MINUTE
    _run(server)
    assert server.served() != first
    assert _generation(server) == ["g2", "g1"]
    assert b"g1" not in server.secrets[AUTHORITIES].data["ca.key"]
    assert not server.secrets[AUTHORITIES].data["next.key"]
    server.now += 23 * HOUR
    _run(server)
    assert _generation(server) == ["g2", "g1"]
    server.now += 1 * HOUR
    _run(server)
    assert _generation(server) == ["g2"]
    assert _is_sound(server)


def test_ten_years_of_weekly_runs_without_one_refused_handshake() -> None:
    server = _installed()
    for _ in range(520):
        server.now += 7 * DAY
        _run(server)
        assert not server.broken(replicas=20 * HOUR, servers=9 * MINUTE)
    assert _is_sound(server)
    assert _generation(server) == ["g8"]


def test_other_names_take_the_way_of_a_new_authority() -> None:
    server = _installed()
    _settle(server, *LOCAL)
    assert _is_sound(server)
    assert pem.names(pem.read_certificates(server.served())[0]) == set(LOCAL)
    assert _generation(server) == ["g2"]
    assert not server.broken(replicas=20 * HOUR, servers=9 * MINUTE)


def test_a_stolen_key_is_replaced_when_it_is_removed() -> None:
    server = _installed()
    held = server.secrets[AUTHORITIES]
    server.put(AUTHORITIES, ca_crt=held.data["ca.crt"])
    hurry = Pace(publish=timedelta(seconds=60), retire=timedelta(seconds=60))
    for _ in range(3):
        keep_cluster(Client(server), NAMES, clock=lambda: server.now, pace=hurry)
        assert not server.broken(replicas=timedelta(seconds=50), servers=timedelta(seconds=50))
        server.now += MINUTE
    assert _generation(server) == ["g2"]
    assert _is_sound(server)


def test_a_lost_authority_stays_trusted_while_its_leaf_is_served() -> None:
    server = _installed()
    before = server.served()
    server.put(AUTHORITIES)
    _run(server)
    assert server.served() == before
    assert _generation(server) == ["g1", "g2"]
    _settle(server)
    assert _is_sound(server)
    assert not server.broken(replicas=20 * HOUR, servers=9 * MINUTE)


def test_a_leaf_of_an_old_authority_that_comes_back_is_replaced() -> None:
    """Somebody restores the Secret of yesterday: replicas may serve that for a day again."""
    server = _installed()
    yesterday = server.secrets[SERVED]
    server.now = NOW + 60 * DAY
    server.secrets[AUTHORITIES] = _with_next(server)
    _settle(server, cadence=11 * MINUTE, runs=3)
    assert _generation(server) == ["g2", "g1"]
    server.now += 23 * HOUR
    server.write(Secret(SERVED, yesterday.data, server.secrets[SERVED].version))
    _settle(server, cadence=23 * HOUR, runs=1)
    assert server.served() != yesterday.data["tls.crt"]
    assert _generation(server) == ["g2", "g1"]
    assert not server.broken(replicas=23 * HOUR, servers=9 * MINUTE)
    _settle(server)
    assert _is_sound(server)


def _with_next(server: ApiServer) -> Secret:
    """The authorities, the next one made before its time."""
    stored = server.secrets[AUTHORITIES]
    made = issue.issue_authority(NAMES, now=server.now, generation=2)
    data = read_held(stored.data).with_authority(made).data()
    return Secret(AUTHORITIES, data, stored.version)


def test_a_bundle_that_does_not_cover_the_leaf_is_never_written() -> None:
    server = _installed()
    strange = issue.issue_authority(NAMES, now=NOW).certificate
    client = Client(server)
    view = keep._look(client, NAMES, lambda: NOW, Pace())
    for bundle in (strange, b"", b"junk", strange + b"-----BEGIN X"):
        with pytest.raises((CannotKeep, BadPair)):
            list(keep._take(client, view, Publish(bundle, "a fault of ours")))
    assert _is_sound(server)


def test_a_configuration_that_was_reset_is_written_again() -> None:
    server = _installed()
    server.configure("hook-1", b"", b"")
    _run(server)
    assert _is_sound(server)


def test_a_reset_during_the_overlap_starts_the_wait_anew() -> None:
    server = _installed()
    (old,) = server.trusted()
    server.now = NOW + 490 * DAY
    _run(server)
    first = server.served()
    server.now += 8 * MINUTE
    server.configure("hook-1", old, old)
    _run(server)
    server.now += 8 * MINUTE
    _run(server)
    assert server.served() == first
    server.now += 2 * MINUTE
    _run(server)
    assert server.served() != first


@pytest.mark.parametrize("junk", [b"junk", b"-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_garbage_in_a_bundle_is_replaced(junk: bytes) -> None:
    server = _installed()
    (good,) = server.trusted()
    server.configure("hook-0", good + junk, junk + good)
    _run(server)
    assert _is_sound(server)


def test_a_strange_authority_in_a_bundle_is_removed() -> None:
    server = _installed()
    (good,) = server.trusted()
    strange = issue.issue_authority(["kubernetes.default.svc"], now=NOW).certificate
    server.configure("hook-0", good + strange, good)
    _run(server)
    assert _is_sound(server)


@pytest.mark.parametrize("years", [1, 3])
def test_a_cluster_that_was_stopped_for_years(years: int) -> None:
    server = _installed()
    server.now += years * 366 * DAY
    report = _run(server)
    assert find_issuer(pem.read_certificates(server.served())[0], *server.trusted())
    assert any("no valid leaf" in line for line in report.lines)
    _settle(server)
    assert _is_sound(server)


@pytest.mark.parametrize("jump", [400 * DAY, -HOUR / 2, -2 * HOUR, -400 * DAY])
def test_a_clock_that_jumps(jump: timedelta) -> None:
    server = _installed()
    server.now += jump
    _settle(server)
    assert _is_sound(server)
    server.now -= jump
    _settle(server, runs=12)
    assert _is_sound(server)


def test_a_wait_that_began_in_the_future_begins_again() -> None:
    server = _installed()
    server.now = NOW + 500 * DAY
    _run(server)
    first = server.served()
    server.now -= 10 * DAY
    report = _run(server)
    assert report.due == server.now + 10 * MINUTE
    server.now = report.due
    _run(server)
    assert server.served() != first


@pytest.mark.parametrize("key", ["ca.crt", "ca.key", "state", "next.crt", "old.crt"])
@pytest.mark.parametrize("text", [b"", b"\xff", b"null", b'{"unused": 7}', b'{"unused": "2026"}'])
def test_a_damaged_secret_heals(key: str, text: bytes) -> None:
    server = _installed()
    data = {**server.secrets[AUTHORITIES].data, key: text}
    server.put(AUTHORITIES, **data)
    _settle(server)
    assert _is_sound(server)


def test_a_writer_who_never_wins_gives_up() -> None:
    server = ApiServer(NOW)

    def interfere() -> None:
        server.put(AUTHORITIES, noise=str(server.version).encode())

    with pytest.raises(CannotKeep, match=f"others keep writing: {AUTHORITIES}"):
        keep_cluster(Client(server, gate=interfere), NAMES, clock=lambda: NOW)


# Company and death. I1 is looked at after every single call of anybody.


@dataclass(frozen=True, slots=True)
class Turn:
    """What happens next: time passes, somebody dies perhaps, and one writer makes some calls."""

    passed: timedelta
    writer: int
    dies: bool
    calls: int


PASSED = [timedelta()] * 4 + [MINUTE, 11 * MINUTE, 11 * MINUTE, 25 * HOUR, 25 * HOUR, 12 * DAY]
TURNS = st.builds(
    Turn,
    passed=st.sampled_from(PASSED),
    writer=st.integers(0, 4),
    dies=st.sampled_from([False] * 7 + [True]),
    calls=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 15, 40, 40]),
)


def _start(server: ApiServer, names: tuple[str, ...], skew: timedelta) -> Writer:
    def work(gate: Gate) -> None:
        while True:
            keep_cluster(Client(server, gate), names, clock=lambda: server.now + skew)

    return Writer(work)


def _play(server: ApiServer, writers: list[Writer], turns: list[Turn]) -> None:
    for turn in turns:
        server.now += turn.passed
        number = turn.writer % len(writers)
        if turn.dies:
            writers[number].kill()
            writers[number] = Writer(writers[number].work)
        for _ in range(turn.calls):
            _advance(server, writers[number])
            # The waits may be shorter by what the clocks of two writers differ.
            assert not server.broken(replicas=23 * HOUR, servers=10 * MINUTE - 2 * ALLOWANCE)


def _advance(server: ApiServer, writer: Writer) -> None:
    before, count = server.served(), len(server.leaves)
    writer.advance()
    if len(server.leaves) > count and _is_dead(before, server):
        # Nobody could accept the old leaf: the new one need not wait for slow API servers.
        server.forget()


def _is_dead(chain: bytes, server: ApiServer) -> bool:
    leaf = pem.read_certificates(chain)[0]
    return leaf.not_valid_after_utc <= server.now + ALLOWANCE


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    skews=st.lists(st.sampled_from([-ALLOWANCE, timedelta(), ALLOWANCE]), min_size=1, max_size=5),
    names=st.lists(st.sampled_from([NAMES, NAMES, LOCAL]), min_size=5, max_size=5),
    start=st.sampled_from([50, 490, 490, 490, 640]),
    turns=st.lists(TURNS, min_size=10, max_size=60),
)
def test_no_company_and_no_death_breaks_the_invariant(
    skews: list[timedelta], names: list[tuple[str, ...]], start: int, turns: list[Turn]
) -> None:
    server = _installed(hooks=1)
    server.now += start * DAY
    writers = [_start(server, *pair) for pair in zip(names, skews, strict=False)]
    try:
        _play(server, writers, turns)
    finally:
        for writer in writers:
            writer.kill()
    _settle(server, runs=9)
    assert _is_sound(server)
    assert not server.broken(replicas=23 * HOUR, servers=9 * MINUTE)


def _rotate(server: ApiServer) -> Writer:
    """A writer who is there for the whole way from {A} to {B}."""

    def work(gate: Gate) -> None:
        for wait in (11 * MINUTE, 25 * HOUR, timedelta()):
            keep_cluster(Client(server, gate), NAMES, clock=lambda: server.now)
            server.now += wait

    server.now = NOW + 490 * DAY
    return Writer(work)


@pytest.mark.parametrize("hooks", [0, 2])
def test_death_at_any_call_of_a_rotation(hooks: int) -> None:
    for calls in range(10_000):
        server = _installed(hooks=hooks)
        writer = _rotate(server)
        writer.run(calls)
        survived = writer.over
        writer.kill()
        _settle(server, cadence=25 * HOUR, runs=3)
        assert not server.broken(replicas=25 * HOUR, servers=9 * MINUTE)
        if survived:
            break
    assert calls > 30
    if hooks:
        assert _is_sound(server)
        assert _generation(server) == ["g2"]


@pytest.mark.parametrize("names", [NAMES, LOCAL], ids=["same names", "other names"])
@pytest.mark.parametrize("runs", [1, 2, 3, 4])
def test_a_writer_who_sleeps_at_any_call_does_no_harm(runs: int, names: tuple[str, ...]) -> None:
    """He wakes after others have gone on for up to the whole way, and finishes what he began."""
    for calls in range(10_000):
        server = _installed(hooks=1)
        writer = _rotate(server)
        writer.run(calls)
        if writer.over:
            break
        for _ in range(runs):
            _run(server, *names)
            server.now += 25 * HOUR
        while not writer.over:
            writer.advance()
            assert not server.broken(replicas=23 * HOUR, servers=9 * MINUTE)
    assert calls > 30
