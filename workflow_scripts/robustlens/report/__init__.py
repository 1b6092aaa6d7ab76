"""Tables, statistics, figures and the page."""
