"""How the documentation is built (`make docs`). Nothing is fetched from elsewhere: no fonts, no inventories."""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "matcha42"
extensions = ["myst_parser"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

html_theme = "furo"
html_title = "matcha42"
html_static_path = ["_static"]
html_css_files = ["matcha.css"]
html_copy_source = False
html_show_copyright = False
pygments_style, pygments_dark_style = "friendly", "github-dark"

_SANS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', sans-serif"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
html_theme_options = {
    "light_css_variables": {
        "font-stack": _SANS,
        "font-stack--monospace": _MONO,
        "color-brand-primary": "#3d6b1f",
        "color-brand-content": "#3d6b1f",
        "color-brand-visited": "#5b6b1f",
    },
    "dark_css_variables": {
        "color-brand-primary": "#a9d18e",
        "color-brand-content": "#a9d18e",
        "color-brand-visited": "#c5cf8f",
    },
}


def draw_inline(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put SVG pictures into the page itself, so that they follow its light and dark colours."""
    for image in list(doctree.findall(nodes.image)):
        if image["uri"].endswith(".svg"):
            drawing = (HERE / image["uri"]).read_text()
            image.replace_self(nodes.raw("", drawing, format="html"))


def setup(app: Sphinx) -> None:
    """Register what is ours."""
    app.connect("doctree-resolved", draw_inline)
