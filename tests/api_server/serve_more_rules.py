"""The command `sallyport` with the rule of `more_rules` beside those that are shipped.

They are found as all rules are: their folder is one more on the catalogue's path.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rules import catalog
from webhook.cli import main

if __name__ == "__main__":
    catalog.__path__.append(str(Path(__file__).with_name("more_rules")))
    sys.exit(main())
