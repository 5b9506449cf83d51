"""The user study: a form that runs in any browser, and the analysis of the answers that come back."""
