"""The runtime is tested where it stands: with `templates/` on the path its packages are `runtime.common` and so on."""

import sys
from pathlib import Path

_TEMPLATES = str(Path(__file__).resolve().parents[3] / "templates")
if _TEMPLATES not in sys.path:
    sys.path.insert(0, _TEMPLATES)
