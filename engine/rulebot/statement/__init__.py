"""The account's statement against our store, to the cent."""
