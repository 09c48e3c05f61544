"""A scraper for the gallery: figures that an example keeps in `frames`, which pyplot does not know."""

from __future__ import annotations

from typing import Any

from sphinx_gallery.scrapers import figure_rst


def save_frames(_block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save what `frames` holds, once, and return the lines that show it."""
    paths = []
    for figure in block_vars["example_globals"].pop("frames", ()):
        paths.append(next(block_vars["image_path_iterator"]))
        figure.savefig(paths[-1], dpi=100, bbox_inches="tight")
    return figure_rst(paths, gallery_conf["src_dir"])
