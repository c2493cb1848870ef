"""Every request: its pace, bans, the exchange's clock, one judgement of errors."""
