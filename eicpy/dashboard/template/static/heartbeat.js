// Says on the page that it is no longer alive. The kernel changes data-tick of the element
// .eic-heartbeat at each update; when that stops (kernel gone, server restarted, network cut), nothing
// that comes from the kernel could say so. And ends the kernel with the page, where Voilà's own way fails.
(function () {
  "use strict";
  const PATIENCE = 20000; // ms
  let tick = null;
  let changed = Date.now();
  function look() {
    const heart = document.querySelector(".eic-heartbeat");
    if (document.visibilityState !== "visible") {
      changed = Date.now(); // a hidden tab is slowed down by the browser
      return;
    }
    if (heart === null) {
      return; // not drawn yet, or a page without a clock
    }
    if (heart.dataset.tick !== tick) {
      tick = heart.dataset.tick;
      changed = Date.now();
    }
    const lost = Date.now() - changed > PATIENCE;
    let banner = document.querySelector(".eic-disconnected");
    if (lost && banner === null) {
      banner = document.createElement("div");
      banner.className = "eic-disconnected";
      banner.setAttribute("role", "alert");
      const words = document.createElement("span");
      words.textContent = heart.dataset.lost || "Disconnected";
      const button = document.createElement("button");
      button.textContent = heart.dataset.reload || "Reload";
      button.addEventListener("click", () => window.location.reload());
      banner.append(words, button);
      document.body.prepend(banner);
    } else if (!lost && banner !== null) {
      banner.remove();
    }
  }
  window.setInterval(look, 1000);

  // Telephones do not tell a page that it is about to be unloaded (beforeunload, on which Voilà ends the
  // kernel), only that it is hidden for good.
  window.addEventListener("pagehide", (event) => {
    const config = document.getElementById("jupyter-config-data");
    if (event.persisted || config === null) {
      return;
    }
    const { baseUrl, kernelId } = JSON.parse(config.textContent);
    window.navigator.sendBeacon(`${baseUrl}voila/api/shutdown/${kernelId}`);
  });
})();
