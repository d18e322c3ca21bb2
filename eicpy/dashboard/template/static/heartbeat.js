// Says on the page that it is no longer alive, and opens it again when that helps. The kernel changes data-tick of
// the element .eic-heartbeat at each look; when that stops (kernel gone, server restarted, network cut), nothing
// that comes from the kernel could say so. And ends the kernel with the page, where Voilà's own way fails.
(function () {
  "use strict";
  const SILENCE = 3000; // ms without a tick after which the page says so
  const OPENING = 20000; // ms, while its figures are still being drawn
  const ASK_EVERY = 2000; // ms between two questions to the server
  const CUT_OFF = 20000; // ms without a connection to a kernel that lives, after which the page opens again
  const MOST_RELOADS = 4; // by itself, in RELOAD_SPAN
  const RELOAD_SPAN = 180000; // ms
  const RELOADS = "eic-reloads";

  let tick = null;
  let changed = Date.now();
  let hidden = 0; // when it was hidden last: a hidden tab is slowed down by the browser, and not judged
  let asked = 0;
  let asking = false;
  let state = "silent"; // or lost (no answer from the server), gone (no such kernel)

  function config() {
    const element = document.getElementById("jupyter-config-data");
    return element === null ? null : JSON.parse(element.textContent);
  }

  // A page that ends at once each time must not be opened for ever.
  function reload() {
    const now = Date.now();
    let past = [];
    try {
      past = JSON.parse(window.sessionStorage.getItem(RELOADS) || "[]").filter((t) => now - t < RELOAD_SPAN);
      if (past.length >= MOST_RELOADS) {
        return;
      }
      window.sessionStorage.setItem(RELOADS, JSON.stringify([...past, now]));
    } catch {
      return; // no storage: nobody could count
    }
    window.location.reload();
  }

  async function ask() {
    const page = config();
    if (asking || page === null || Date.now() - asked < ASK_EVERY) {
      return;
    }
    asking = true;
    asked = Date.now();
    try {
      const answer = await fetch(`${page.baseUrl}alive/${page.kernelId}`, { redirect: "manual", cache: "no-store" });
      if (answer.status === 200) {
        const alive = await answer.json();
        state = "silent";
        if (!alive.connected && Date.now() - changed > CUT_OFF) {
          reload();
        }
      } else if (answer.status < 500) {
        state = "gone"; // no such kernel, or log in again
        reload();
      } else {
        state = "lost";
      }
    } catch {
      state = "lost";
    }
    asking = false;
  }

  function show(heart, silent) {
    document.body.classList.toggle("eic-silent", silent);
    let banner = document.querySelector(".eic-disconnected");
    if (!silent) {
      banner?.remove();
      return;
    }
    if (banner === null) {
      banner = document.createElement("div");
      banner.className = "eic-disconnected";
      banner.setAttribute("role", "alert");
      const button = document.createElement("button");
      button.textContent = heart.dataset.reload;
      button.addEventListener("click", () => window.location.reload());
      banner.append(document.createElement("span"), button);
      document.body.prepend(banner);
    }
    const words = heart.dataset[state]
      .replace("{age}", String(Math.round((Date.now() - changed) / 1000)))
      .replace("{time}", `${new Date(changed).toISOString().slice(11, 19)} UTC`);
    if (banner.firstChild.textContent !== words) {
      banner.firstChild.textContent = words;
    }
    banner.dataset.state = state;
  }

  function look() {
    if (document.visibilityState !== "visible") {
      hidden = Date.now();
      return;
    }
    const heart = document.querySelector(".eic-heartbeat");
    if (heart === null) {
      // Not drawn, or a page without a clock. The server hears that somebody waits; where the kernel went while the
      // page was drawn, it is opened again.
      if (document.readyState === "complete" && Date.now() - changed > SILENCE) {
        ask();
      }
      return;
    }
    if (heart.dataset.tick !== tick) {
      tick = heart.dataset.tick;
      changed = Date.now();
      state = "silent";
    }
    // Seen again, it has its time to tick; if it does not, what it says is the age of the data and not of the look.
    const silent = Date.now() - Math.max(changed, hidden) > (tick === "0" ? OPENING : SILENCE);
    show(heart, silent);
    if (silent) {
      ask();
    }
  }
  window.setInterval(look, 500);

  // Telephones do not tell a page that it is about to be unloaded (beforeunload, on which Voilà ends the
  // kernel), only that it is hidden for good.
  window.addEventListener("pagehide", (event) => {
    const page = config();
    if (event.persisted || page === null) {
      return;
    }
    window.navigator.sendBeacon(`${page.baseUrl}voila/api/shutdown/${page.kernelId}`);
  });
})();
