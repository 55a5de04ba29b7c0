"""`python -m webhook` is `sallyport`."""

import sys

from webhook.cli import main

sys.exit(main())
