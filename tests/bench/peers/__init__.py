"""The same question in other engines' own words. Each program runs in the peers' environment, not in the project's."""
