// What Voilà's own template writes into the page as scripts stands here, so that the page's content policy can
// forbid scripts in the page: the words while a page is being drawn, and showing it when it is.
(function () {
  "use strict";
  window.voila_heartbeat = function () {};
  window.update_loading_text = function (index, count, text) {
    const words = document.getElementById("loading_text");
    if (words !== null) {
      words.textContent = text ?? `${index} / ${count}`;
    }
  };
  window.display_cells = function () {
    if (!window.themeLoaded) {
      window.cellLoaded = true; // Voilà calls again when its theme is there
      return;
    }
    document.getElementById("loading")?.remove();
    const cells = document.getElementById("rendered_cells");
    if (cells !== null) {
      cells.style.display = "";
    }
  };
  window.voila_process = window.update_loading_text;
  window.voila_finish = window.display_cells;
})();
