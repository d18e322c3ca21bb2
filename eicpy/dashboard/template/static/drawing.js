// What Voilà's own template writes into the page as scripts stands here, so that the page's content policy can
// forbid scripts in the page. The first words, which the server sent before there was a kernel, stay until those of
// the page itself are there.
(function () {
  "use strict";
  const LONGEST = 10000; // ms: a notebook that is no page of ours may show nothing
  window.voila_heartbeat = function () {};
  window.update_loading_text = function () {};
  window.display_cells = function () {
    if (!window.themeLoaded) {
      window.cellLoaded = true; // Voilà calls again when its theme is there
      return;
    }
    const cells = document.getElementById("rendered_cells");
    if (cells === null) {
      return;
    }
    cells.style.display = "";
    const begun = Date.now();
    const timer = window.setInterval(() => {
      const shown = cells.querySelector(".eic-verdict, .widget-html-content, .jupyter-widgets") !== null;
      if (shown || Date.now() - begun > LONGEST) {
        window.clearInterval(timer);
        document.getElementById("loading")?.remove();
      }
    }, 50);
  };
  window.voila_process = window.update_loading_text;
  window.voila_finish = window.display_cells;
})();
