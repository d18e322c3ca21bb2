"""BokehJS within a notebook, once and packed: a notebook of figures stays small.

Bokeh itself writes its script into a notebook twice (for JupyterLab's extension and for everything else),
with widgets and tables that no figure here has: 8 MB in each saved notebook. Here it is its core alone,
compressed (gzip, base64), in the one form that every front end runs; the browser unpacks it in some
hundredths of a second. A figure whose turn comes before waits for it, as Bokeh's own scripts do.
"""

import base64
import gzip
import json
from functools import cache
from pathlib import Path

import bokeh

__all__ = ["core_script", "loading_script"]

_LOAD = """(function (root) {
  if (root.Bokeh !== undefined && root.Bokeh.version === %(version)s) { return; }
  function run(text) {
    var script = document.createElement("script");
    script.textContent = text;
    document.head.appendChild(script);
  }
  var packed = Uint8Array.from(atob(%(packed)s), function (c) { return c.charCodeAt(0); });
  var stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Response(stream).text().then(run);
})(window);"""


_NUMBERS = """
(function () {
  var usual = Bokeh.Models.get("NumeralTickFormatter").prototype.doFormat;
  Bokeh.Models.get("NumeralTickFormatter").prototype.doFormat = function (ticks, options) {
    if (this.language === "en") { return usual.call(this, ticks, options); }
    var style = new Intl.NumberFormat(this.language, { maximumFractionDigits: 6, useGrouping: false });
    return ticks.map(function (tick) { return style.format(tick); });
  };
})();
"""
"""BokehJS knows the decimal point alone: the browser writes the numbers of axes in other languages."""


def core_script() -> str:
    """BokehJS of the installed Bokeh without widgets, tables, WebGL and TeX; numbers in any language."""
    script = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"
    return script.read_text(encoding="utf-8") + _NUMBERS


@cache
def loading_script() -> str:
    """Script that loads BokehJS into the page of a notebook, unless it is there already."""
    packed = base64.b64encode(gzip.compress(core_script().encode(), mtime=0)).decode("ascii")
    return _LOAD % {"version": json.dumps(bokeh.__version__), "packed": json.dumps(packed)}
