"""Every code that calendar and settings files can give, in one line each. A code never changes its meaning."""

CODES = {
    "RB601": "A calendar file that is not JSON.",
    "RB602": "A calendar file that is not one mapping.",
    "RB603": "A key that a calendar does not have.",
    "RB604": "A key that a calendar must have and does not.",
    "RB605": "A name, day, time or list of a calendar that is not written as it must be.",
    "RB606": "Dates of a calendar that are not in order, or stand twice.",
    "RB607": "A date outside the days that the calendar says it is complete for.",
    "RB611": "A settings file that is not TOML.",
    "RB612": "A setting that rulebot does not have.",
    "RB613": "A setting whose value cannot be used.",
}
