"""Who may ask for what: users and their secrets, sessions of browsers, and what keeps the outside outside."""
