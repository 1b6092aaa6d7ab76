"""One colour, marker and name for S, one for R, in every figure and on the page; colours of categories of concepts and of cues."""

INK, MUTED, GRID, FAINT = "#1b1f24", "#56606b", "#dde1e6", "#c9ced4"  # the page redraws these four in its own colours
ON_LIGHT, ON_DARK = "#16181b", "#fefefe"  # text inside coloured areas: the same in light and dark
COLOURS = {"standard": "#0072b2", "robust": "#c25100", "single": "#6a4c93", "initial": "#7d8791", "control": "#7d8791"}
MARKERS = {"standard": "o", "robust": "D", "single": "s", "initial": "|", "control": "s"}
ROLES = {"standard": "S, standard", "robust": "R, robust", "single": "network", "initial": "before training"}
CATEGORIES = {
    "color": "#aa4499",
    "texture": "#dd9ec4",
    "material": "#ddcc77",
    "part": "#6fc2a8",
    "object": "#117755",
    "scene": "#999933",
    "none": FAINT,
}
CUES = {"shape": CATEGORIES["object"], "texture": CATEGORIES["texture"], "neither": FAINT}
