"""What the server remembers: tables, their migrations, and functions that read and change them in transactions."""
