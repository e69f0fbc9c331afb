"""The audit: a sound day passes, and each kind of tampering is found under its own number."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from engine_day import (
    BOT,
    FLAT,
    ID,
    RESTING,
    WORKING,
    at,
    changed,
    engine_record,
    entity,
    fill,
    happening,
    order,
    sound_day,
)

from rulebot.checks.journal.audit import INVARIANTS, SHOWN, audit
from rulebot.documents.load_bots import SpecText, compile_text, load_all_bots
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.session import session_from
from rulebot.record.record import COMPUTER_AHEAD, Json, Kind, Record
from rulebot.spec.files import shipped

Days = list[Record]


def broken(records: list[Record]) -> dict[int, str]:
    """Return the invariants that do not hold, with the words of the first offence."""
    found = audit(enumerate(records, 1))
    return {each.number: each.first[0].text for each in found if not each.holds}


def of(kind: Kind, **data: object) -> Callable[[Record], bool]:
    """Return whether a record is of a kind and has these fields."""
    return lambda record: record.kind is kind and all(record.data.get(name) == value for name, value in data.items())


def index_of(records: list[Record], is_it: Callable[[Record], bool], which: int = 0) -> int:
    return [i for i, record in enumerate(records) if is_it(record)][which]


def with_one(records: list[Record], after: int, *more: Record) -> list[Record]:
    return [*records[: after + 1], *more, *records[after + 1 :]]


def without(records: list[Record], is_it: Callable[[Record], bool], which: int = 0) -> list[Record]:
    index = index_of(records, is_it, which)
    return [*records[:index], *records[index + 1 :]]


def test_a_sound_day_holds() -> None:
    assert broken(sound_day()) == {}


def test_every_invariant_has_a_number_of_its_own() -> None:
    assert len({each.number for each in INVARIANTS}) == len(INVARIANTS)


def second_entry() -> Days:
    day = sound_day()
    return with_one(day, index_of(day, of(Kind.ORDER), 1), entity("10:00:02", order(9, Purpose.ENTRY)))


def same_perm() -> Days:
    return changed(sound_day(), of(Kind.ORDER, perm_id=902), 0, perm_id=901)


def other_number() -> Days:
    return changed(sound_day(), of(Kind.ORDER, number=2), 1, number=1)


def late_record() -> Days:
    return without(sound_day(), of(Kind.ORDER), 0)


def no_record() -> Days:
    day = sound_day()
    return [record for record in day if not of(Kind.ORDER, number=2)(record)]


def doubled_fill() -> Days:
    day = sound_day()
    index = index_of(day, of(Kind.FILL))
    return with_one(day, index, day[index])


def cent_too_much() -> Days:
    return changed(sound_day(), of(Kind.FILL), 1, price="0.61")


def lost_fill() -> Days:
    return without(sound_day(), of(Kind.FILL), 1)


def lost_commission() -> Days:
    return without(sound_day(), of(Kind.COMMISSION), 1)


def strange_leg() -> Days:
    return changed(sound_day(), of(Kind.SETTLEMENT), 0, leg="call")


def closed_twice() -> Days:
    return changed(sound_day(), of(Kind.SETTLEMENT), 0, quantity=2)


def wrong_way() -> Days:
    return changed(sound_day(), of(Kind.FILL), 1, is_buy=False)


def alone_at_work() -> Days:
    return changed(
        changed(sound_day(), of(Kind.ORDER, number=3), 0, oca_group=""), of(Kind.ORDER, number=3), 1, oca_group=""
    )


def larger_exit() -> Days:
    return changed(sound_day(), of(Kind.ORDER, number=2), 1, quantity=3)


def after_kill() -> Days:
    day = sound_day()
    return with_one(day, 2, engine_record("9:31", Kind.OPERATOR, id="1", request="kill", bot=""))


def tried_after_kill(request: str = "kill") -> Days:
    day = sound_day()
    kill = engine_record("10:00:02", Kind.OPERATOR, id="1", request=request, bot="")
    tried = entity("10:00:03", order(1, Purpose.ENTRY, **WORKING, attempt=2, limit_price=Decimal("1.10")))
    return with_one(day, index_of(day, of(Kind.ORDER), 1), kill, tried)


def sent_after_kill() -> Days:
    day = sound_day()
    first = index_of(day, of(Kind.ORDER), 0)
    prepared = entity("10:00", order(1, Purpose.ENTRY, status=OrderStatus.PREPARED, sent_at=None))
    return with_one(day, first - 1, prepared, engine_record("10:00", Kind.OPERATOR, id="1", request="kill", bot=""))


def after_pause_of_it() -> Days:
    pause = Record(at("9:31"), Kind.OPERATOR, BOT, "", {"id": "1", "request": "pause", "bot": BOT})
    return with_one(sound_day(), 2, pause)


def before_the_open() -> Days:
    return changed(sound_day(), of(Kind.SESSION), 0, open=at("10:30").isoformat())


def tried_after_the_close() -> Days:
    tried = entity("15:00", order(1, Purpose.ENTRY, **WORKING, attempt=2, limit_price=Decimal("1.10")))
    day = changed(sound_day(), of(Kind.SESSION), 0, close=at("14:59").isoformat())
    return [*day[:9], tried, *day[9:]]


def without_session() -> Days:
    return without(sound_day(), of(Kind.SESSION))


def without_link() -> Days:
    return with_one(sound_day(), 2, engine_record("9:31", Kind.LINK, up=False, reason="gone"))


def unknown_condition() -> Days:
    return changed(sound_day(), of(Kind.VERDICT), 0, truth=None)


def true_of_nothing() -> Days:
    return changed(sound_day(), of(Kind.VERDICT), 0, missing="no quote of VIX")


def undeclared_move() -> Days:
    return changed(sound_day(), of(Kind.DECISION, what="state"), 1, reason="wished")


def jump() -> Days:
    return changed(sound_day(), of(Kind.DECISION, what="state"), 1, values=["exiting", "open"], reason="ended")


def back_to_life() -> Days:
    day = sound_day()
    dead = index_of(day, of(Kind.ORDER, number=3), 2)
    return with_one(day, dead, day[index_of(day, of(Kind.ORDER, number=3), 1)])


def other_digest() -> Days:
    return changed(sound_day(), of(Kind.POSITION), 2, digest="d2")


def order_of_another_text() -> Days:
    day = sound_day()
    for which in range(3):
        day = changed(day, of(Kind.ORDER, number=3), which, digest="d2")
    return day


def time_goes_back() -> Days:
    day = sound_day()
    return [*day[:-1], replace(day[-1], at=at("9:00"))]


def unknown_order_fields() -> Days:
    return changed(sound_day(), of(Kind.ORDER), 0, colour="red")


def silent_change() -> Days:
    return without(sound_day(), of(Kind.DECISION, what="state"), 1)


def silent_fill() -> Days:
    day = changed(sound_day(), of(Kind.ORDER, number=2), 2, leg_filled=[2])
    return changed(day, of(Kind.ORDER, number=2), 3, leg_filled=[2])


@pytest.mark.parametrize(
    ("tampered", "number", "words"),
    [
        (second_entry, 1, "2 entries of seller are live"),
        (same_perm, 2, "has permId 901, which is that of rb:a:000002"),
        (other_number, 2, "is another order than when it was first recorded"),
        (late_record, 3, "is first recorded as working"),
        (no_record, 3, "a fill on rb:a:000002: no such order recorded"),
        (doubled_fill, 5, "execution e.1.01 is recorded a second time"),
        (cent_too_much, 5, "exit_cash of put is -60, its fills and settlements give -61.00"),
        (lost_fill, 5, "a commission on execution e.2.01, which is not recorded"),
        (lost_commission, 5, "commissions of put is 2.60, its fills and settlements give 1.30"),
        (strange_leg, 5, "a settlement on a leg that no position has"),
        (closed_twice, 8, "3 of put are closed, 2 were opened"),
        (wrong_way, 8, "its target sells put"),
        (alone_at_work, 9, "4 of put work to be closed"),
        (larger_exit, 9, "3 of put work to be closed (rb:a:000002, rb:a:000003), 2 are held"),
        (after_kill, 10, "rb:a:000001 enters although the operator allows only what reduces"),
        (tried_after_kill, 10, "rb:a:000001 has try 2 after a kill"),
        (sent_after_kill, 10, "rb:a:000001 enters although the operator allows only what reduces"),
        (after_pause_of_it, 10, "rb:a:000001 enters"),
        (before_the_open, 11, "rb:a:000001 enters outside the session"),
        (tried_after_the_close, 11, "rb:a:000001 is sent outside the session"),
        (without_session, 11, "rb:a:000001 enters outside the session"),
        (without_link, 14, "rb:a:000001 enters while there is no connection"),
        (unknown_condition, 16, "is entered while calm is unknown"),
        (true_of_nothing, 16, "calm is true without no quote of VIX"),
        (undeclared_move, 17, "no move 'wished' leads from entering to open"),
        (jump, 17, "moves from exiting, it stood at entering"),
        (back_to_life, 17, "rb:a:000003 was cancelled and is working"),
        (other_digest, 18, "has another digest than when it was opened"),
        (order_of_another_text, 18, "rb:a:000003 has another digest than its position"),
        (time_goes_back, 20, "it is earlier than number"),
        (unknown_order_fields, 20, "no whole order"),
        (silent_change, 21, "it is open, the moves on record lead to entering"),
        (silent_fill, 21, "rb:a:000002: 2 of put are filled, its fills give 1"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tampering_is_found(tampered: Callable[[], Days], number: int, words: str) -> None:
    assert words in broken(tampered()).get(number, "nothing")


@pytest.mark.parametrize(
    ("is_up", "data", "is_sound"),
    [
        (False, {"text": "clocks", COMPUTER_AHEAD: 3600.0}, True),
        (True, {"text": "clocks", COMPUTER_AHEAD: 3600.0}, False),
        (False, {"text": "something else"}, False),
    ],
)
def test_time_goes_back_only_at_a_connection_that_reports_of_clocks(is_up: bool, data: Json, is_sound: bool) -> None:
    """The engine went by a computer's clock that was an hour ahead, and the broker tells his time again."""
    ended = sound_day()[-1].at
    link = Record(ended + timedelta(hours=1), Kind.LINK, data={"up": is_up, "reason": "r"})
    assert isinstance(data, dict)
    reported = Record(ended, Kind.ALARM, data=data)
    assert (20 not in broken([*sound_day(), link, reported])) is is_sound


def test_an_entry_at_work_continues_after_a_pause() -> None:
    assert 10 not in broken(tried_after_kill("pause"))


def test_the_larger_of_an_oca_group_counts_and_its_fills_with_it() -> None:
    """A target that fills wholly leaves the stop nothing to close, until its cancellation is told."""
    day = sound_day()
    end = index_of(day, of(Kind.ORDER, number=2), 2)
    whole = [*day[: end - 2], fill("11:00", 2, "e.2.01", "0.60", Purpose.TARGET, 2)]
    assert 9 not in broken(whole)
    bare = entity("11:01", order(4, Purpose.EXIT, **{**RESTING, "oca_group": ""}))
    assert 9 in broken([*whole, bare])


@pytest.mark.parametrize(("when", "is_sound"), [("15:59", False), ("16:01", True)])
def test_orders_that_the_broker_ends_after_the_settlement_of_their_option_are_not_too_much(
    when: str, is_sound: bool
) -> None:
    day = sound_day()
    first = index_of(day, of(Kind.ORDER, status="cancelled"))
    settled = [replace(each, at=at(when)) for each in day[first + 2 : -1]]
    ended = [replace(each, at=at("16:01:30")) for each in day[first : first + 2]]
    assert (9 not in broken([*day[:first], *settled, *ended, day[-1]])) is is_sound


def test_a_correction_replaces_what_it_corrects() -> None:
    day = sound_day()
    index = index_of(day, of(Kind.FILL), 1)
    wrong = replace(day[index], data={**day[index].data, "price": "0.70"})
    right = replace(day[index], data={**day[index].data, "exec_id": "e.2.02"})
    reported = entity(
        "11:00", order(2, Purpose.TARGET, **RESTING, status=OrderStatus.WORKING, perm_id=901, leg_filled=(1,))
    )
    assert broken([*day[:index], wrong, right, day[index + 1], reported, *day[index + 3 :]]) == {}


def test_what_is_reported_again_of_a_fill_leaves_an_exit_as_much_at_work_as_before() -> None:
    """Half of the target has filled, so one is held, and the target has one left: beside it nothing may be closed."""
    day = sound_day()
    half = day[: index_of(day, of(Kind.POSITION), 3)]
    restarted = fill("11:00:30", 2, "e.2.02", "0.61", Purpose.TARGET)
    beside = entity("11:01", order(4, Purpose.EXIT, **{**RESTING, "oca_group": "", "quantity": 1}))
    assert "2 of put work to be closed" in broken([*half, beside])[9]
    assert "2 of put work to be closed" in broken([*half, restarted, beside])[9]


def test_an_exit_that_is_cancelled_for_a_trade_cancelled_is_not_too_much() -> None:
    """A bust leaves both resting orders with nothing to close; they are cancelled in the same turn, or it is told."""
    day = sound_day()
    end = index_of(day, of(Kind.FILL), 1)
    bust = fill("10:30", 1, "e.1.02", "1.20", Purpose.ENTRY, 0)
    gone = {**RESTING, "status": OrderStatus.CANCELLING}
    leaving = [
        entity("10:30", order(2, Purpose.TARGET, **gone, perm_id=901)),
        entity("10:30", order(3, Purpose.STOP, **{**gone, "order_id": 3}, perm_id=902)),
    ]
    assert 9 in broken([*day[:end], bust])
    assert 9 not in broken([*day[:end], bust, *leaving])


def test_what_a_start_hears_to_be_cancelled_is_fitted_to_once_the_connection_stands() -> None:
    day = sound_day()
    end = index_of(day, of(Kind.FILL), 1)
    bust = [
        fill("10:30", 1, "e.1.02", "1.20", Purpose.ENTRY, 1),
        entity("10:30", order(1, Purpose.ENTRY, leg_filled=(1,))),
    ]
    starts = [*day[:end], engine_record("10:29", Kind.RUN_STARTED), *bust]
    linked = [*starts, engine_record("10:31", Kind.LINK, up=True, reason="", account="DU1")]
    resting = {**RESTING, "status": OrderStatus.WORKING}
    target = entity("10:31", order(2, Purpose.TARGET, **resting, perm_id=901, quantity=1))
    stop = entity("10:31", order(3, Purpose.STOP, **{**resting, "order_id": 3}, perm_id=902, quantity=1))
    assert 9 not in broken(starts)
    assert 9 not in broken([*linked, target, stop])
    assert 9 in broken([*linked, target]), "the stop was not made smaller"
    assert 9 in broken([*day[:end], *bust]), "it was told while the connection stood"


def test_an_exit_that_fills_although_its_entry_was_cancelled_is_the_broker_s_doing() -> None:
    day = sound_day()
    end = index_of(day, of(Kind.FILL), 1)
    bust = fill("10:30", 1, "e.1.02", "1.20", Purpose.ENTRY, 0)
    assert 8 not in broken([*day[:end], bust, day[end]])
    beyond = [*day[:end], fill("11:01", 2, "e.9.01", "0.60", Purpose.TARGET, 3)]
    assert 8 in broken(beyond)
    reported = Record(at("11:01"), Kind.ALARM, BOT, ID, {"text": "more was closed than was held"})
    assert 8 not in broken([*beyond, reported]), "it has filled more than the order was for, and a person knows"
    assert 8 in broken([*changed(beyond, of(Kind.ORDER, number=2), 0, quantity=3), reported])


def test_an_order_that_was_given_up_may_come_to_life() -> None:
    day = sound_day()
    dead = changed(day, of(Kind.ORDER, number=3), 2, status="lost")
    alive = dead[index_of(dead, of(Kind.ORDER, number=3), 1)]
    back = [*dead[:-1], replace(alive, at=at("16:01:30")), dead[-1]]
    assert 17 not in broken(back)


def given_up(asked_at: str, status: OrderStatus = OrderStatus.CANCELLING) -> Days:
    """Return a day on which a stop was given up, an exit was sent, and the stop came to life at 10:02."""
    day = sound_day()
    stop = order(3, Purpose.STOP, **{**RESTING, "order_id": 3})
    return [
        *day[: index_of(day, of(Kind.ORDER, number=2))],
        entity("10:00:06", stop),
        entity(asked_at, replace(stop, status=OrderStatus.CANCELLING)),
        entity("10:01", replace(stop, status=OrderStatus.LOST)),
        entity("10:01:01", order(4, Purpose.EXIT)),
        entity("10:02", replace(stop, status=status, perm_id=902)),
    ]


def test_an_exit_beside_a_stop_that_was_given_up_and_comes_to_life_is_not_too_much_when_nobody_could_know() -> None:
    assert 9 not in broken(given_up("10:00:46"))
    assert "4 of put work to be closed" in broken(given_up("10:00:45"))[9], "it may have been on its way"
    assert 9 in broken(given_up("10:00:46", OrderStatus.WORKING)), "it is to be taken back"
    gone = entity("10:02:01", order(4, Purpose.EXIT, status=OrderStatus.CANCELLED))
    again = entity("10:02:02", order(5, Purpose.EXIT))
    assert 9 in broken([*given_up("10:00:46"), gone, again]), "a new one waits for its end"


@pytest.mark.parametrize("was", [OrderStatus.CANCELLED, OrderStatus.REJECTED])
def test_neither_is_one_that_the_broker_had_called_over(was: OrderStatus) -> None:
    """An old list is told again: the stop was cancelled before the exit was sent, and is taken back."""
    day = given_up("10:00:45")
    ended = changed(day, of(Kind.ORDER, number=3, status="lost"), 0, status=was.value)
    assert 9 not in broken(ended)
    alive = replace(ended[-1], data={**ended[-1].data, "status": "working"})
    assert 9 in broken([*ended[:-1], alive]), "it is to be taken back"


def test_neither_is_a_pair_of_which_one_comes_to_life_after_the_other() -> None:
    """Of a target and a stop that an old list told again the first was called too much once the second was told."""
    day = given_up("10:00:45")
    target = order(5, Purpose.TARGET, **{**RESTING, "order_id": 5})
    first = index_of(day, of(Kind.ORDER, number=3, status="lost"))
    ended = changed(day, of(Kind.ORDER, number=3, status="lost"), 0, status="cancelled")
    pair = with_one(ended, first, entity("10:01", replace(target, status=OrderStatus.CANCELLED)))
    both = [*pair, entity("10:02", replace(target, status=OrderStatus.CANCELLING, perm_id=905))]
    assert 9 not in broken(both)
    again = entity("10:02:02", order(6, Purpose.EXIT))
    assert 9 in broken([*both, again]), "a new one waits for the end of both"


def test_when_a_stop_that_was_given_up_fills_the_exit_beside_it_is_to_be_cancelled() -> None:
    stop = fill("10:02:05", 3, "e.3.01", "2.00", Purpose.STOP, 2)
    leaving = entity("10:02:05", order(4, Purpose.EXIT, status=OrderStatus.CANCELLING))
    both = fill("10:02:06", 4, "e.4.01", "2.00", Purpose.EXIT, 2)
    assert 9 in broken([*given_up("10:00:46"), stop])
    assert 9 not in broken([*given_up("10:00:46"), stop, leaving])
    assert 8 not in broken([*given_up("10:00:46"), stop, leaving, both])
    assert 8 in broken([*given_up("10:00:45"), stop, leaving, both])


def test_entries_keep_to_the_window_of_the_text_they_ran_under() -> None:
    file = shipped("specs") / "put_lite.yaml"
    (text,) = load_all_bots([str(file)], {}, None).texts
    assert isinstance(text, SpecText)
    assert compile_text(text).plan.name == "put_lite"
    kept = {"digest": text.digest, "path": text.file, "text": text.text, "overrides": {}}
    day = changed(sound_day(), of(Kind.RUN_STARTED), 0, specs={BOT: kept})

    def entered(clock: str, day: Days = day) -> Days:
        return [replace(r, at=at(clock)) if of(Kind.DECISION, what="enter")(r) else r for r in day]

    assert "begins outside its window" in broken(entered("15:58"))[11]
    ((start, end),) = compile_text(text).windows(session_from(entered("15:58")[0].at.date()))
    assert 11 not in broken([replace(r, at=start) if of(Kind.DECISION, what="enter")(r) else r for r in day])
    assert 11 in broken([replace(r, at=end) if of(Kind.DECISION, what="enter")(r) else r for r in day])


def test_an_entry_without_a_word_of_one_of_its_conditions_is_reported() -> None:
    """Whatever else was true: of what was never judged nobody knows it, and a reload judges nothing."""
    (text,) = load_all_bots([str(shipped("specs") / "put_lite.yaml")], {}, None).texts
    specs: Json = {BOT: {"digest": text.digest, "path": text.file, "text": text.text, "overrides": {}}}
    day = changed(sound_day(), of(Kind.RUN_STARTED), 0, specs=specs)
    plan = compile_text(text).plan
    asked = [("when", rule.name) for rule in plan.entry.when] + [("require", rule.name) for rule in plan.require]
    assert len(asked) == 6
    reported = [
        Record(at("9:59"), Kind.VERDICT, BOT, "", {"rule": rule, "place": place, "truth": True, "missing": ""})
        for place, rule in asked
    ]
    index = index_of(day, of(Kind.VERDICT))
    assert 16 not in broken(with_one(day, index, *reported))
    assert broken(with_one(day, index, *reported[:-1]))[16] == f"{ID} is entered and {asked[-1][1]} was never judged"
    assert broken(with_one(day, index, *reported[1:]))[16] == f"{ID} is entered and {asked[0][1]} was never judged"
    by_hand = changed(day, of(Kind.DECISION, what="enter"), 0, by_hand=True)
    assert 16 not in broken(with_one(by_hand, index, *reported[4:]))
    reload = Record(at("9:59"), Kind.RELOAD, BOT, "", {"specs": specs})
    assert 16 not in broken(with_one(day, index, *reported, reload))


def test_verdicts_of_halts_and_exits_are_asked_of_no_entry() -> None:
    day, said = sound_day(), {"rule": "late", "truth": False, "symbol": "", "alternative": ""}
    index = index_of(day, of(Kind.DECISION, what="enter")) - 1
    for place, is_asked in (("halts", False), ("exits:another-1", False), ("when", True)):
        evaluation = engine_record("9:59:59", Kind.VERDICT, place=place, **said)
        evaluation = replace(evaluation, bot=BOT, at=day[index].at)
        assert (16 in broken(with_one(day, index, evaluation))) is is_asked


def test_a_commission_that_is_reported_again_takes_the_place_of_the_one_before() -> None:
    day = sound_day()
    index = index_of(day, of(Kind.COMMISSION), 1)
    first = replace(day[index], data={**day[index].data, "amount": "9.00"})
    assert broken([*day[:index], first, *day[index:]]).keys() <= {21}
    assert 5 in broken([*day[: index + 1], first, *day[index + 1 :]])


def test_all_offences_are_counted_and_the_first_are_kept() -> None:
    day = sound_day()
    index = index_of(day, of(Kind.FILL))
    (found,) = [each for each in audit(enumerate(with_one(day, index, *[day[index]] * 9), 1)) if each.number == 5]
    assert (found.count, len(found.first), found.holds) == (9, SHOWN, False)
    assert found.first[0].seq == index + 2


def test_a_record_without_the_fields_of_its_kind_is_reported_not_raised() -> None:
    found = broken(changed(sound_day(), of(Kind.FILL), 1, price=None))
    assert "has not the fields of its kind" in found[5]


def test_a_new_run_begins_without_a_link_and_without_verdicts() -> None:
    again = engine_record("9:32", Kind.RUN_STARTED, specs={}, install="a")
    assert set(broken(with_one(sound_day(), 2, again))) == {14}


def test_a_position_that_was_never_moved_is_flat() -> None:
    assert 21 in broken([entity("10:00", FLAT)])
    assert 21 not in broken([entity("10:00", replace(FLAT, state="flat"))])


def test_money_is_compared_to_the_cent() -> None:
    near = changed(sound_day(), of(Kind.COMMISSION), 1, amount=str(Decimal("1.304")))
    assert broken(near) == {}
    assert 5 in broken(changed(sound_day(), of(Kind.COMMISSION), 1, amount="1.31"))


def test_a_happening_that_names_no_position_is_reported() -> None:
    stray = replace(
        happening("12:00", Kind.SETTLEMENT, leg="put", quantity=1, price="0", shares_profit="0"), position="nobody"
    )
    assert ID not in broken([*sound_day()[:-1], stray])[5]
