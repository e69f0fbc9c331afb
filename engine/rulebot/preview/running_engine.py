"""Whether an engine runs beside us: it needs the market data lines of the user more than whoever only looks."""

from rulebot.model.errors import StoreError
from rulebot.store.open import is_in_use, is_there
from rulebot.store.place import Place


def is_held(store: Place) -> bool:
    """Say whether an engine has the store now; one that cannot be asked counts as free, the store's check says why."""
    try:
        return is_there(store) and is_in_use(store)
    except StoreError:
        return False
