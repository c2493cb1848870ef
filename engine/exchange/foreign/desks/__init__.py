"""What is asked over REST: orders, executions, markets, holdings, history."""
