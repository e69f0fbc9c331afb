"""Codes of the broker's messages on our order ids, by what they mean. Source: TWS API message codes."""

PRECAUTIONS = frozenset((109, 163, 382, 383, 451))
"""Codes of limits of TWS itself, where they are not bypassed for API orders: on price, per cent, ticks, size, value."""
NOT_OFFERED = frozenset((312, 313, 412, 441, 442, 478))
"""Codes that say of a contract, of a combo's legs or of an algo that there is none such to deal in. Source for 478, a
contract whose number is that of another one: ib_async 203."""
REFUSALS = (
    frozenset((103, 105, 110, 200, 201, 203, 321, 387, 388, 460, 10268, 10269, 10326)) | PRECAUTIONS | NOT_OFFERED
)
"""Codes that refuse an order which was never acknowledged."""
OF_OUR_SIDE = frozenset((100, 103, 105, 321, 460, 10268, 10269))
"""Codes of the gateway's on a message, an id or what an API may: whatever was ordered would have been refused."""
NOT_SAME = 105
"""A change was refused since the order is another one to the broker; of combos it may say so of any change."""
NOT_VALID = 321
"""The gateway itself has refused a request, as where its API is read-only: of an order that was acknowledged what was
asked of it since, not the order."""
NOT_FOUND = 10147
"""The broker has no order under the id that was to be cancelled."""
NOT_CANCELLED = frozenset((161, NOT_FOUND, 10148))
"""Codes that say of a cancel that it did nothing: the order is over, or it works on."""
FILLED_BEFORE, NO_SUCH_ORDER = 104, 135
"""What a change is answered with that came too late, or whose order is not there: the broker's lists decide."""
CANCELLED = 202
"""The order is over; behind `reason:` stands why, nothing when somebody has cancelled it."""
NOT_YET = 2102
"""A change was refused since the order is still being processed: the only one of the warnings that refuses anything."""
INFORMATION = frozenset((CANCELLED, 399, 404, 10167, 10349, *range(2100, 2200))) - {NOT_YET}
"""Codes that refuse nothing by themselves."""
