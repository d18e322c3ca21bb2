// What surrounds Voilà's front end, which is one of the scripts of page.js.
// - It waits until the page is loaded, which is when the kernel has run the notebook. Here it begins at once, and only its
//   first question for the kernel waits, so that it gets ready while the kernel works.
// - The first words, which the server sent before there was a kernel, stay until those of the page itself are there.
(function () {
  "use strict";
  const LONGEST = 10000; // ms: a notebook that is no page of ours may show nothing
  const KERNEL = /\/api\/kernels\/[0-9a-f-]+(\?|$)/;
  const drawn = new Promise((resolve) => {
    document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });
  const ask = window.fetch.bind(window);
  window.fetch = async function (asked, ...options) {
    if (KERNEL.test(typeof asked === "string" ? asked : asked.url)) {
      await drawn;
    }
    return ask(asked, ...options);
  };
  const listen = window.addEventListener;
  window.addEventListener = function (kind, listener, ...options) {
    if (kind === "load" && String(listener).includes("federated_extensions")) {
      window.addEventListener = listen;
      listener(new Event("load"));
    } else {
      listen.call(window, kind, listener, ...options);
    }
  };
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
