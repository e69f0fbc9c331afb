"""`rulebot schema`: the JSON Schema of a kind of document, for editors."""

import json

import click

from rulebot.cli.say import print_text

KINDS = ("strategy", "account", "universe", "test")


@click.command("schema", short_help="Print the schema that editors complete from.")
@click.argument("kind", type=click.Choice(KINDS), default="strategy")
@click.option("--path", is_flag=True, help="Print where the schema lies, instead.")
@click.option("--extending", is_flag=True, help="Of a bot that extends another: it owes no key but its own.")
def schema(kind: str, path: bool, extending: bool) -> None:
    """Print the JSON Schema of bots (strategy, the default) or of the account document (account), of a universe
    in a file (universe), or of tests of a bot (test).

    Keep it beside your specs, and begin each of them with a line that names it; docs/editors.md has the rest:

    \b
        rulebot schema > schemas/strategy.schema.json
        # yaml-language-server: $schema=../schemas/strategy.schema.json
    """
    from rulebot.spec.shipped import shipped

    if extending:
        if path or kind != "strategy":
            raise click.UsageError("--extending is for the schema of bots, and that one is printed, not kept")
        from rulebot.spec.partial import partial_schema

        print_text(json.dumps(partial_schema(), indent=2, ensure_ascii=False))
        return
    file = shipped("schemas") / f"{kind}.schema.json"
    print_text(str(file) if path else file.read_text(encoding="utf-8"), nl=path)
