"""Which MQTT to speak."""

from __future__ import annotations

from appliance.sync.protocol import ASK_AGAIN_S, Protocol, ProtocolChoice


def test_five_is_tried_first_and_kept_when_it_works() -> None:
    choice = ProtocolChoice(None, now_s=0.0)
    assert (choice.next(0.0), choice.spoken) == (Protocol.V5, None)
    choice.worked()
    assert (choice.next(1e9), choice.spoken) == (Protocol.V5, Protocol.V5)


def test_a_refusal_of_five_is_remembered_and_asked_again_much_later() -> None:
    choice = ProtocolChoice(None, now_s=0.0)
    choice.refused(1.0)
    assert choice.next(2.0) is Protocol.V311
    choice.worked()
    assert choice.spoken is Protocol.V311
    assert choice.next(ASK_AGAIN_S) is Protocol.V311
    assert choice.next(1.0 + ASK_AGAIN_S) is Protocol.V5
    assert not choice.proven


def test_a_broker_that_hangs_up_once_may_have_been_restarting() -> None:
    choice = ProtocolChoice(Protocol.V5, now_s=0.0)
    choice.hung_up(1.0)
    assert choice.next(1.0) is Protocol.V5
    choice.worked()
    choice.hung_up(2.0)
    assert choice.next(2.0) is Protocol.V5
    choice.hung_up(3.0)
    assert choice.next(3.0) is Protocol.V311


def test_a_broker_that_hangs_up_on_both_is_tried_with_both() -> None:
    choice = ProtocolChoice(None, now_s=0.0)
    tried = []
    for now_s in range(6):
        tried.append(choice.next(now_s))
        choice.hung_up(now_s)
    five, three = Protocol.V5, Protocol.V311
    assert tried == [five, five, three, three, five, five]


def test_what_was_remembered_is_used_at_once() -> None:
    choice = ProtocolChoice(Protocol.V311, now_s=0.0)
    assert choice.proven
    assert choice.next(1.0) is Protocol.V311
