"""How the documentation is built: `sphinx-build -n -W docs build/docs`, without a network.

The pages are Markdown, and read as such, too; the reference comes from the docstrings, the pictures of the gallery from
its examples, which are run.
"""

import re
import sys
import warnings
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from sphinx.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

# What the extra "docs" brings, by the names of its modules.
_NEEDED = ("matplotlib", "myst_parser", "numpydoc", "pydata_sphinx_theme", "sklearn", "sphinx_gallery",
           "sphinx-mathjax-offline")  # fmt: skip
if _missing := [name for name in _NEEDED if find_spec(name) is None]:
    raise ConfigError(f"the documentation needs {', '.join(_missing)}: pip install '.[docs]' has all of it")

project, author, copyright = "fastbp", "The fastbp developers", "The fastbp developers"
release = metadata.version("fastbp")
version = release

extensions = [
    "myst_parser",  # pages in Markdown
    "numpydoc",  # docstrings as NumPy, SciPy and scikit-learn write them
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "flowchart",  # drawings that are text in Markdown
    "own_links",  # none of them leads nowhere
    "source_lines",  # the lines of the kernels beside the equations
]
exclude_patterns = ["_ext", "gallery/*.ipynb", "gallery/*.py", "gallery/*.json"]
templates_path = ["_templates"]
default_role = "literal"  # `names` in docstrings are code
nitpick_ignore_regex = [("py:.*", r"numpy\..*")]  # other projects' pages are not looked up: no network

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_fence_as_directive = {"mermaid"}
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_typehints = "none"  # the docstrings say what is taken, with shapes and units
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False  # each class has its own template, which lists them
numpydoc_class_members_toctree = False

# MathJax as one file out of a package: formulas are set without a network, on reading as on building.
mathjax_path = "tex-svg.js"
_mathjax = Path(find_spec("sphinx-mathjax-offline").submodule_search_locations[0]) / "static" / "mathjax"
html_static_path = ["_static", str(_mathjax / mathjax_path)]

html_theme = "pydata_sphinx_theme"
html_title = "fastbp"
html_css_files = ["site.css"]
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "header_links_before_dropdown": 6,
}
html_sidebars = {page: [] for page in ("index", "start", "backpropagation", "source/**")}  # nothing below them
html_show_sourcelink = False
html_copy_source = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "download_all_examples": False,
    "image_scrapers": ("matplotlib", "frames.save_frames"),
    "min_reported_time": 1e6,  # seconds: how long a build took is of no interest
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
    "write_computation_times": False,
    "capture_repr": (),  # what is printed is shown, not what a last line happens to return
    "abort_on_example_error": True,
}
warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")

# Links that lead out of this folder, as they read where the files stand.
_ABOVE = {"../SECURITY.md": "security.md", "../README.md": "index.md", "../CONTRIBUTING.md": "contributing.md",
          "../examples/gallery/README.rst": "gallery/index"}  # fmt: skip
_FOLDER = re.compile(r"\[([^\]]*)\]\(\.\./[\w/]+/\)")


def _lead_inside(_app, _page, source):
    for above, page in _ABOVE.items():
        source[0] = source[0].replace(f"]({above}", f"]({page}")
    source[0] = _FOLDER.sub(r"\1", source[0])  # a site has no page for a folder


def _lead_down(_app, _path, _page, source):
    source[0] = source[0].replace("](examples/", "](../examples/")  # of a file that stands above this folder


def setup(app):
    """Register what a page goes through before it is read."""
    app.connect("source-read", _lead_inside)
    app.connect("include-read", _lead_down)
