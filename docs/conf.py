"""How `make docs` builds the pages of this folder: Sphinx with MyST, which reads them as they are read on the repository's own pages."""

project = "robustlens"
extensions = ["myst_parser"]
myst_heading_anchors = 4  # links such as methods.md#claims
html_theme = "furo"
html_title = project
html_show_copyright = html_show_sphinx = False
html_copy_source = html_show_sourcelink = False
