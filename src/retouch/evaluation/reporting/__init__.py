"""What a run of an evaluation says: intervals, tests, tables, figures and the page that holds them."""
