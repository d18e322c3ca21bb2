"""How the documentation is built: `make docs`. Nothing is fetched from a network."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))

project = "eicpy"
author = "The eicpy developers"
copyright = f"2026, {author}"
version = release = version_of("eicpy")

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "eicpy_mathml", "eicpy_signatures"]
exclude_patterns = ["_build", "jupyter_execute", "**/.ipynb_checkpoints"]
templates_path: list[str] = []

# Prose: Markdown with formulas; headings can be linked to.
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

# What is not yet released, gathered from the fragments.
BUILD = HERE / "_build"
BUILD.mkdir(exist_ok=True)
DRAFT = ["towncrier", "build", "--draft", "--version", "Not yet released", "--date", "next"]
UNRELEASED = subprocess.run(  # noqa: S603 - a fixed command of the locked tools
    [sys.executable, "-m", *DRAFT], cwd=ROOT, capture_output=True, text=True, check=True
)
(BUILD / "unreleased.md").write_text(UNRELEASED.stdout.replace(" (next)", ""), encoding="utf-8")

# The tutorials live with the other notebooks and are executed at each build whose input changed.
TUTORIALS = HERE / "tutorials"
shutil.rmtree(TUTORIALS, ignore_errors=True)
shutil.copytree(ROOT / "notebooks" / "tutorials", TUTORIALS)
nb_execution_mode = "cache"
nb_execution_cache_path = str(BUILD / "jupyter_cache")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_show_tb = True
nb_merge_streams = True
suppress_warnings = [
    "mystnb.unknown_mime_type"
]  # Bokeh puts a kind of its own beside each HTML and JavaScript output
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # a page of the documentation has no live widgets
os.environ["EIC_HOME"] = str(BUILD / "eic_home")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

# The API: docstrings are numpydoc, types stand in the signature.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 90
autodoc_default_options = {"members": True}
numpydoc_show_class_members = False
numpydoc_show_inherited_class_members = False

html_theme = "furo"
html_title = f"eicpy {release}"
html_static_path = ["_static"]
html_css_files = ["eicpy.css"]
html_copy_source = False
