"""What is heard, and who notices that nothing is heard."""
