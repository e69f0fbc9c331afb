"""Alerts on the page: shown as the outbox has them, acknowledged by a button, harmless in any words."""

import json

from store_day import at
from web_client import TOKEN, Client

from rulebot.alerts.find import Alert, Grade
from rulebot.alerts.notifier import outbox_path
from rulebot.alerts.outbox import Outbox
from rulebot.web.live import Live
from rulebot.web.pages import Parts

CHANGE = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot": "1", "Content-Type": "application/json"}


def outbox_of(client: Client) -> Outbox:
    outbox = Outbox(outbox_path(client.place))
    words = (("a", Grade.GRAVE, "<b>torn</b>"), ("b", Grade.TRADE, "opened 5900p"), ("c", Grade.GRAVE, "lost"))
    alerts = [
        Alert(key=key, at=at(f"10:0{place}"), grade=grade, text=text, bot="dte0_condor")
        for place, (key, grade, text) in enumerate(words)
    ]
    outbox.add(alerts, 1, [("phone", Grade.GRAVE)], at("10:05"))
    return outbox


def test_without_an_outbox_the_page_says_that_no_alert_is_sent(client: Client) -> None:
    assert client.get("/api/alerts").json == []
    assert "Nobody is told" in Parts(Live(client.place)).now()[1]["alerts"]
    assert client.send("POST", "/api/alerts/acknowledge", CHANGE, b"{}").json["acknowledged"] == 0
    assert not outbox_path(client.place).exists()


def test_alerts_are_shown_newest_first_and_harmless(client: Client) -> None:
    outbox = outbox_of(client)
    found = client.get("/api/alerts").json
    assert [each["text"] for each in found] == ["lost", "opened 5900p", "<b>torn</b>"]
    assert found[0]["deliveries"] == ["phone waits"]
    parts = Parts(Live(client.place)).now()[1]
    assert "&lt;b&gt;torn" in parts["alerts"]
    assert "<b>torn" not in parts["alerts"]
    assert "2 grave alerts to be acknowledged" in parts["status"]
    outbox.close()


def test_one_is_acknowledged_and_then_all(client: Client) -> None:
    outbox = outbox_of(client)
    parts = Parts(Live(client.place, client.elapsed))
    before = parts.now()[0]
    first = client.get("/api/alerts").json[0]["id"]
    body = json.dumps({"id": first}).encode()
    assert client.send("POST", "/api/alerts/acknowledge", CHANGE, body).json["acknowledged"] == 1
    assert client.send("POST", "/api/alerts/acknowledge", CHANGE, body).json["acknowledged"] == 0
    client.elapsed.now += 2
    number, shown = parts.now()
    assert number > before
    assert "1 grave alert to be acknowledged" in shown["status"]
    assert client.send("POST", "/api/alerts/acknowledge", CHANGE, b"{}").json["acknowledged"] == 2
    assert client.send("POST", "/api/alerts/acknowledge", CHANGE, b'{"id": -1}').status == 422
    assert all(each["acknowledged"] for each in client.get("/api/alerts").json)
    outbox.close()


def test_all_that_were_shown_are_acknowledged_and_none_that_came_since(client: Client) -> None:
    """A question stands as long as a person likes: what came behind it was never told again, and nobody had seen it."""
    outbox = outbox_of(client)
    shown = Parts(Live(client.place)).now()[1]["alerts"]
    later = Alert(key="d", at=at("10:06"), grade=Grade.GRAVE, text="came later")
    again = Alert(key="e", at=at("10:06"), grade=Grade.GRAVE, text="lost", bot="dte0_condor")
    outbox.add([later, again], 2, [("phone", Grade.GRAVE)], at("10:06"))
    assert 'data-until="3"' in shown
    assert client.send("POST", "/api/alerts/acknowledge", CHANGE, b'{"until": 3}').json["acknowledged"] == 3
    found = {each["text"]: each["acknowledged"] for each in client.get("/api/alerts").json}
    assert found == {"came later": False, "lost": True, "opened 5900p": True, "<b>torn</b>": True}
    outbox.close()


def test_alerts_that_cannot_be_read_are_not_reported_as_none(client: Client) -> None:
    """Of a damaged outbox the page said that nothing had been worth telling, and that no grave alert waits."""
    outbox_of(client).close()
    for each in outbox_path(client.place).parent.glob(f"{outbox_path(client.place).name}*"):
        each.write_bytes(b"no database" * 1000)
    answer = client.get("/api/alerts")
    assert (answer.status, answer.json["code"]) == (503, "store")
    assert "the outbox of alerts" in answer.json["message"]
    parts = Parts(Live(client.place)).now()[1]
    assert "They cannot be shown, and there may be grave ones: the outbox of alerts" in parts["alerts"]
    assert "alerts cannot be shown" in parts["status"]
    assert client.get("/").status == 200
