"""Why debts go bad, and questions that nobody foresaw."""
