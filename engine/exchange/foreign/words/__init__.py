"""Pure translation: dictionaries of the exchange in our words, exact or ``Unreadable``."""
