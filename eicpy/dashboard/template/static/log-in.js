// Takes the token out of the link that the server printed: what follows # is not sent to any server. The
// address is cleaned at once, so that the token stays in no history.
(function () {
  "use strict";
  const token = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (token === null) {
    return;
  }
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  const field = document.querySelector("input[type=password]");
  const name = document.querySelector("input[type=text]");
  if (field !== null) {
    field.value = token;
    (name || field).focus();
  }
})();
