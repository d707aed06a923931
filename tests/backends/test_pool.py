"""A pool gives work to whoever is free, by speed and model, and loses nothing when a server dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from stablenew.backends.base import Capabilities, GeneratedImage, Outcome, StageRequest, Watch
from stablenew.backends.pool import PoolBackend
from stablenew.backends.pool_board import Board, Seat
from stablenew.backends.registry import BackendOptions, open_backend, read_configured
from stablenew.errors import BackendUnavailable, GenerationFailed, InputError, InvalidSetting, UnknownChoice
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.testing.stub_server import Fault
from stablenew.testing.stub_webui import StubWebUI

from .webui_desk import asked, desk

TXT2IMG = "/sdapi/v1/txt2img"


@pytest.fixture
def stubs() -> Iterator[list[StubWebUI]]:
    with ExitStack() as stack:
        started = [StubWebUI(step_s=0.002) for _ in range(3)]
        for stub in started:
            stack.enter_context(stub)
        yield started


def pool_of(stubs: Sequence[StubWebUI], **how: float) -> PoolBackend:
    """A pool whose members are called server 0, 1, ..."""
    members = []
    for place, stub in enumerate(stubs):
        member = desk(stub, reconnect_s=0.0)
        member._name = f"server {place}"
        members.append(member)
    return PoolBackend(name="all", members=members, **{"retry_s": 0.2, "reconnect_s": 1.0, **how})


def run(backend: PoolBackend, requests: Sequence[StageRequest]) -> list[Outcome]:
    """The outcomes in the order of the requests, exactly one each."""
    found = list(backend.generate(requests, Watch()))
    assert sorted(position for position, _ in found) == list(range(len(requests)))
    return [outcome for _, outcome in sorted(found, key=lambda pair: pair[0])]


def servers(made: Sequence[Outcome]) -> list[str]:
    """Who made each picture."""
    return [outcome.effective.extra["server"] for outcome in made if isinstance(outcome, GeneratedImage)]


def test_all_servers_work(stubs: list[StubWebUI]) -> None:
    """Of thirty requests every server makes some, each request once, and the record can say who made it."""
    made = run(pool_of(stubs), [asked(seed=seed) for seed in range(30)])
    assert [outcome.seed for outcome in made if isinstance(outcome, GeneratedImage)] == list(range(30))
    assert set(servers(made)) == {"server 0", "server 1", "server 2"}
    assert [stub.mind.made for stub in stubs] == [servers(made).count(f"server {place}") for place in range(3)]


def test_a_server_that_dies_gives_its_requests_back(stubs: list[StubWebUI]) -> None:
    """Killed in the middle of a picture, a server's requests are done by the others: one picture each, none lost."""
    stubs[1].faults.append(Fault(path=TXT2IMG, kind="die", after=2))
    backend = pool_of(stubs)
    made = run(backend, [asked(seed=seed) for seed in range(40)])
    assert [outcome.seed for outcome in made if isinstance(outcome, GeneratedImage)] == list(range(40))
    assert servers(made).count("server 1") == 2


def test_a_server_that_comes_back_works_again(stubs: list[StubWebUI]) -> None:
    """After a restart a member is tried again within the same run."""
    for stub in stubs[:2]:
        stub.mind.step_s = 0.01
    stubs[1].faults.append(Fault(path=TXT2IMG, kind="die", after=1))

    def restart() -> None:
        while stubs[1].listening:
            time.sleep(0.01)
        stubs[1].start()

    thread = threading.Thread(target=restart)
    thread.start()
    made = run(pool_of(stubs[:2], retry_s=0.1), [asked(seed=seed) for seed in range(60)])
    thread.join()
    assert all(isinstance(outcome, GeneratedImage) for outcome in made)
    assert servers(made).count("server 1") > 1


def test_when_all_are_dead_the_run_ends(stubs: list[StubWebUI]) -> None:
    """With every server gone the pool waits its time, then says so; what was made until then was yielded."""
    for stub in stubs:
        stub.faults.append(Fault(path=TXT2IMG, kind="die", after=1))
    backend = pool_of(stubs, reconnect_s=0.3)
    got: list[tuple[int, Outcome]] = []
    with pytest.raises(BackendUnavailable, match="no server answers"):
        got.extend(backend.generate([asked(seed=seed) for seed in range(30)], Watch()))
    assert len(got) == 3


def test_a_request_that_kills_every_server_fails_alone() -> None:
    """A request all its servers died over ends in an error; it is not tried for ever, and the others go on."""
    seats = [Seat(name=name, able=frozenset({0, 1}), depth=1) for name in "abc"]
    board = Board([None, None], seats, [0, 1])
    for turn, seat in enumerate(seats):
        assert board.take(seat) == [0]
        assert board.give_back(seat) == ([0] if turn == 2 else [])
    board.revive(seats[0])
    assert board.take(seats[0]) == [1]


def test_a_dead_server_cannot_use_up_what_a_living_one_can_do() -> None:
    """Given back by one server however often, a request is hopeless only when all who can do it died over it."""
    dead = Seat(name="dead", able=frozenset({0}), depth=1)
    slow = Seat(name="slow", able=frozenset({0}), depth=1)
    board = Board([None], [dead, slow], [0])
    for _ in range(9):
        assert board.take(dead) == [0]
        assert board.give_back(dead) == []
        board.revive(dead)
    assert board.take(slow) == [0]


def test_the_faster_gets_more(stubs: list[StubWebUI]) -> None:
    """A server four times as fast makes more of the pictures."""
    stubs[0].mind.step_s, stubs[1].mind.step_s = 0.01, 0.04
    made = run(pool_of(stubs[:2]), [asked(seed=seed) for seed in range(30)])
    assert servers(made).count("server 0") > servers(made).count("server 1") + 3 > 3


def test_the_slow_do_not_take_what_the_fast_finish_sooner() -> None:
    """Near the end a slow server takes nothing when the fast one is done with all of it before."""
    fast = Seat(name="fast", able=frozenset(range(2)), depth=4, seconds=1.0)
    slow = Seat(name="slow", able=frozenset(range(2)), depth=4, seconds=10.0)
    board = Board([None, None], [fast, slow], [0, 1])
    assert board._share(slow) == []
    assert board.take(fast) == [0]
    fast.seconds = 30.0
    assert board.take(slow) == [1]


def test_work_goes_to_who_has_the_model(stubs: list[StubWebUI]) -> None:
    """With two models and two servers each loads one of them: no server changes its model back and forth."""
    requests = [asked(seed=seed, model=("tiny-a", "tiny-b")[seed % 2]) for seed in range(24)]
    run(pool_of(stubs[:2]), requests)
    assert sum(len(stub.mind.loads) for stub in stubs[:2]) <= 3


def test_a_request_only_one_can_do_goes_there(stubs: list[StubWebUI]) -> None:
    """A VAE only one server has decides who makes the picture; one nobody has is refused beforehand."""

    backend = PoolBackend(name="all", members=[desk(stubs[0]), FakeBackend(name="other", script=Script())])
    made = run(backend, [asked(seed=seed, vae="fake-vae") for seed in range(4)])
    assert set(servers(made)) == {"other"}
    with pytest.raises(UnknownChoice, match="VAE"):
        backend.check(asked(vae="nowhere.pt"))
    mixed = run(backend, [asked(), asked(vae="nowhere.pt")])
    assert isinstance(mixed[1], UnknownChoice)


def test_a_member_that_answers_nothing_is_said() -> None:
    """A member that yields too few outcomes costs an error for the rest, not an endless wait."""

    class Mute(FakeBackend):
        def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
            return iter(())

    made = run(PoolBackend(name="all", members=[Mute(name="mute", script=Script())]), [asked()])
    assert isinstance(made[0], GenerationFailed)


def test_servers_that_go_between_checking_and_making_end_the_run() -> None:
    """When no member can do what was checked a moment ago, the run ends with an error and does not wait for ever."""

    class Fleeting(FakeBackend):
        checks = 0

        def check(self, request: StageRequest) -> None:
            self.checks += 1
            if self.checks > 1:
                raise BackendUnavailable(self.name, "gone meanwhile")

    with pytest.raises(BackendUnavailable, match="no member"):
        run(PoolBackend(name="all", members=[Fleeting(name="fleeting", script=Script())]), [asked()])


def test_a_defect_of_a_member_comes_through() -> None:
    """An exception that is none of ours leaves the pool as it is, and no thread stays behind."""

    class Broken(FakeBackend):
        def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
            raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        run(PoolBackend(name="all", members=[Broken(name="broken", script=Script())]), [asked()])
    assert threading.active_count() == before


def test_a_member_that_never_answered_is_left_out(stubs: list[StubWebUI]) -> None:
    """A server that is not there at the start costs one look, not one for every request."""
    stubs[1].kill()
    backend = pool_of(stubs[:2], retry_s=60.0)
    made = run(backend, [asked(seed=seed) for seed in range(8)])
    assert set(servers(made)) == {"server 0"}
    assert backend.capabilities().version == "A1111 v1.10.1"


def test_capabilities_are_those_of_all() -> None:
    """Names of any member count; a member that does not say what it has leaves the question open."""

    class Said(FakeBackend):
        said = Capabilities(stages=frozenset({"txt2img"}), models=("a",), samplers=("Euler",), window=3)

        def capabilities(self) -> Capabilities:
            return self.said

    class Silent(Said):
        said = Capabilities(stages=frozenset({"img2img"}), models=("b",), window=2)

    pool = PoolBackend(name="all", members=[Said(name="x", script=Script()), Silent(name="y", script=Script())])
    can = pool.capabilities()
    assert (can.models, can.samplers, can.window) == (("a", "b"), (), 5)
    assert can.stages == {"txt2img", "img2img"}


def test_pools_and_servers_are_opened_by_name(tmp_path: Path, stubs: list[StubWebUI]) -> None:
    """backends.toml names servers and pools; several names joined by commas are a pool, too."""
    lines = [f'[one]\nkind = "webui"\nurl = "{stubs[0].url}"\nmodel = "tiny-a"\n']
    lines += [
        f'[two]\nkind = "webui"\nurl = "{stubs[1].url}"\nbatch_size = 2\n',
        '[both]\nkind = "pool"\nmembers = ["one", "two"]\n',
    ]
    (tmp_path / "backends.toml").write_text("\n".join(lines))
    one = open_backend(BackendOptions(name="one", workspace=tmp_path))
    made = [outcome for _, outcome in one.generate([asked()], Watch())]
    assert [outcome.effective.model for outcome in made if isinstance(outcome, GeneratedImage)] == ["tiny-a"]
    for name in ("both", "one,two"):
        pool = open_backend(BackendOptions(name=name, workspace=tmp_path))
        assert isinstance(pool, PoolBackend)
        assert set(servers(run(pool, [asked(seed=seed) for seed in range(12)]))) == {"one", "two"}
        pool.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[one\n", "cannot be read as TOML"),
        ("one = 3\n", "needs a kind"),
        ('[one]\nurl = "http://x"\n', "needs a kind"),
        ('[one]\nkind = "webui"\nurl = 5\n', "must be a text"),
        ('["../one"]\nkind = "webui"\n', "cannot name a backend"),
    ],
)
def test_a_wrong_backends_file_is_said(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong in backends.toml is said with its path."""
    (tmp_path / "backends.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_configured(tmp_path)


def test_wrong_pools_are_refused(tmp_path: Path) -> None:
    """A pool of nothing, of itself, of unknown names, or of a kind that does not exist."""
    tables = ['[empty]\nkind = "pool"\nmembers = []', '[self]\nkind = "pool"\nmembers = ["self"]']
    tables += ['[lost]\nkind = "pool"\nmembers = ["nowhere"]', '[odd]\nkind = "wbui"']
    (tmp_path / "backends.toml").write_text("\n".join(tables))
    with pytest.raises(InvalidSetting):
        open_backend(BackendOptions(name="empty", workspace=tmp_path))
    with pytest.raises(InputError, match="other backends"):
        open_backend(BackendOptions(name="self", workspace=tmp_path))
    with pytest.raises(UnknownChoice):
        open_backend(BackendOptions(name="lost", workspace=tmp_path))
    with pytest.raises(UnknownChoice, match="webui"):
        open_backend(BackendOptions(name="odd", workspace=tmp_path))
    with pytest.raises(UnknownChoice, match="empty"):
        open_backend(BackendOptions(name="emptyy", workspace=tmp_path))
