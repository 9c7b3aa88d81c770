"""`python -m venues.paper`: the paper exchange without Django."""

from venues.paper.server.cli import main

raise SystemExit(main())
