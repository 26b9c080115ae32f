from __future__ import annotations

from quickscale_cli.main import main

main()
