"""Small sound bots of every shape, as text: tests change one thing of them."""

SPREAD = """\
rulebot: 1
name: spread
about: Sells a put spread.
underlying: SPX
entry:
  window: {from: "10:30", to: "13:30"}
  per_day: 1
  when:
    - vix: {between: [12, 22]}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  require:
    - credit: {at_least: 0.50}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 50%}
  - stop: {cost: 2x credit}
    confirm: 2 quotes
risk:
  max_loss_per_trade: $1000
  daily_loss: $150
"""
PUT = """\
rulebot: 1
name: put
about: Sells a put for six weeks.
underlying: SPY
entry:
  at: open + 30m
  per_day: 1
  max_open: 10
legs:
  expiry: {dte: {nearest: 45}}
  short_put: {sell: put, strike: {delta: 0.15}}
order: {start: mid, step: 0.01, wait: 30s, tries: 3, then: cancel}
exits:
  - target: {profit: 60%}
  - stop: {loss: 200%}
    confirm: 30s
  - at_expiry: settle
risk:
  undefined_risk: allow
  daily_loss: $2000
"""
PAIR = """\
rulebot: 1
name: pair
about: Buys one SPX call and sells ten SPY calls.
underlyings: [SPX, SPY]
entry:
  window: {from: "09:35", to: "10:00"}
  per_day: 1
legs:
  expiry: {dte: 0}
  long_spx: {buy: call, of: SPX, strike: {at: spot, round_to: 5}}
  short_spy: {sell: call, of: SPY, ratio: 10, strike: {at: spot, round_to: 1}}
  require:
    - credit: {at_least: $400, at: natural}
order: {leg_by_leg: [long_spx, short_spy], start: natural, wait: 30s, tries: 3, then: unwind}
exits:
  - time: "15:45"
  - stop: {loss: $500}
  - at_expiry: settle
risk:
  undefined_risk: allow
  daily_loss: $1000
"""
CALENDAR = """\
rulebot: 1
name: calendar
about: Sells a near put against a later one.
underlying: SPY
entry:
  window: {from: "10:30", to: "13:30"}
  per_day: 1
  max_open: 3
legs:
  front_put: {sell: put, expiry: {dte: {nearest: 4}}, strike: {at: spot}}
  back_put: {buy: put, expiry: {dte: {nearest: 11}}, strike: {at: front_put}}
order: {start: mid, step: 0.01, wait: 10s, tries: 6, then: cancel}
exits:
  - dte: {at_most: 1}
  - target: {profit: 25%}
  - stop: {loss: 50%}
    confirm: 30s
risk:
  max_loss_per_trade: $800
  daily_loss: $800
"""
CONDOR = """\
rulebot: 1
name: condor
about: Sells a condor.
underlying: SPX
entry:
  window: {from: "10:30", to: "13:30"}
  per_day: 1
  when:
    - vix: {between: [12, 22]}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put:  {buy: put, strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.15}}
  long_call:  {buy: call, strike: {above: short_call, by: 10 pts}}
  require:
    - credit: {at_least: 0.50}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 50%}
  - stop: {cost: 2x credit}
    confirm: 2 quotes
risk:
  max_loss_per_trade: $1000
  daily_loss: $150
"""
VERTICAL = """\
rulebot: 1
name: vertical
about: Buys a call spread.
underlying: SPY
entry:
  window: {from: "10:30", to: "13:30"}
  per_day: 1
  max_open: 3
legs:
  expiry: {dte: {between: [30, 45]}}
  long_call: {buy: call, strike: {delta: 0.60}}
  short_call: {sell: call, strike: {above: long_call, by: 5 pts}}
order: {start: mid, step: 0.01, wait: 10s, tries: 6, then: cancel}
exits:
  - dte: {at_most: 10}
  - target: {profit: 50%}
  - stop: {loss: 50%}
    confirm: 30s
risk:
  max_loss_per_trade: $400
  daily_loss: $800
"""
STRANGLE = """\
rulebot: 1
name: strangle
about: Sells a strangle.
underlying: SPX
entry:
  window: {from: "10:00", to: "14:00"}
  per_day: 1
  max_open: 3
legs:
  expiry: {dte: {between: [30, 45]}}
  short_put: {sell: put, strike: {delta: 0.16}}
  short_call: {sell: call, strike: {delta: 0.16}}
order: {start: mid, step: 0.05, wait: 20s, tries: 6, then: cancel}
exits:
  - dte: {at_most: 21}
  - target: {profit: 50%}
  - stop: {loss: 200%}
    confirm: 30s
risk:
  undefined_risk: allow
  daily_loss: $5000
"""
BUY_WRITE = """\
rulebot: 1
name: buywrite
about: Buys shares and sells a call.
underlying: SPY
entry:
  window: {from: "10:00", to: "14:00"}
  per_day: 1
  max_open: 1
legs:
  expiry: {dte: {nearest: 30}}
  stock: {buy: shares}
  short_call: {sell: call, strike: {delta: 0.30}}
order: {start: mid, step: 0.01, wait: 20s, tries: 6, then: cancel}
exits:
  - dte: {at_most: 2}
  - target: {profit: 2%}
  - stop: {loss: 8%}
    confirm: 30s
risk:
  daily_loss: $5000
"""
FLY = """\
rulebot: 1
name: fly
about: Sells an iron fly.
underlying: SPX
entry:
  window: {from: "10:00", to: "12:00"}
  per_day: 1
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  long_put: {buy: put, strike: {below: short_put, by: 30 pts}}
  short_call: {sell: call, strike: {at: spot}}
  long_call: {buy: call, strike: {above: short_call, by: 30 pts}}
  require:
    - credit: {at_least: 8}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 25%}
  - stop: {loss: 25%}
    confirm: 2 quotes
risk:
  max_loss_per_trade: $3000
  daily_loss: $1500
"""
LONG_CALL = """\
rulebot: 1
name: long_call
about: Buys a call for the day.
underlying: SPX
entry:
  window: {from: "10:00", to: "12:00"}
  per_day: 1
legs:
  expiry: {dte: 0}
  long_call: {buy: call, strike: {delta: 0.30}}
  require:
    - debit: {at_most: 8}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 100%}
  - stop: {loss: 50%}
    confirm: 2 quotes
risk:
  max_loss_per_trade: $900
  daily_loss: $1500
"""
