"""Jobs that need no network start without torch, which takes seconds to import."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = ["list_images", "render_images", "index_images", "make_stimulus", "render_concepts", "pack_concepts", "index_concepts"]


def test_scripts_of_stimuli_and_concepts_import_no_torch():
    code = f"import sys; sys.path.append('workflow_scripts'); import {', '.join(SCRIPTS)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
