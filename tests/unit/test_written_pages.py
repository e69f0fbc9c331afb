"""Pages from templates."""

from rulebot.pages import environment, look, written_page


def test_what_people_wrote_is_escaped() -> None:
    page = written_page("go_on", path='/bots/"><script>')
    assert '<a href="/bots/&#34;&gt;&lt;script&gt;">' in page
    assert "<script>" not in page


def test_every_shared_template_can_be_read() -> None:
    """A `{#` in a style sheet would swallow all behind it."""
    made = environment()
    assert {"layout.html", "report.html", "sweep.html", "explain.html"} <= set(made.list_templates())
    for name in made.list_templates():
        made.get_template(name)
    assert made.get_template("look.css").render() in look()


def test_a_written_page_brings_the_style_that_all_pages_share() -> None:
    page = written_page("explain", title="a", articles=[])
    assert page.count("<style>") == 1
    assert all(line in page for line in look().splitlines())
    assert "{%" not in page
